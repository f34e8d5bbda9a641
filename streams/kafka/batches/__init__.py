"""Kafka's batches, as brokers store them, into those that a folder holds."""
