"""The same partitions behind topics of Apache Kafka (docs/decisions/0015-behind-kafka.md)."""
