"""Processors at the edge: what their sources hold becomes intents, in order, each of them once, whatever fails."""
