"""Questions about what happened: intents that fit, what caused what, and what other code would have done."""
