"""Processors at the edge: they await anything, and what they decide is submitted as intents.

Each intent carries the place of the message that it came from, so that whoever starts again submits again, and nothing
happens twice.
"""
