"""What we need of a cluster of Kafka, and the real one: connections, routes, fetches, appends, groups."""
