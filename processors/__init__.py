"""Pure decisions: decode, lower and validate intents. No IO, no clock, no randomness."""
