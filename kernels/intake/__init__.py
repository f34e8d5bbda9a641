"""What comes in: record batches and the intents in them, as columns."""
