"""Flat JSON intents to packed ones."""
