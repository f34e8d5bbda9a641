"""Submitting from anywhere, and hearing what became of it."""
