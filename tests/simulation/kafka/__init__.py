"""The shipped code behind a model of Kafka: many processes, one cluster that delays, repeats and loses."""
