"""The command line. What a running owner answers, and all help, loads neither NumPy nor Numba: a prompt is waiting."""
