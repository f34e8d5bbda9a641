"""From the IR to the source of a module that Numba compiles. Pure: text comes out, and nothing is run here."""
