"""The proof: machine, fold and the independent model agree on random applications and random logs."""
