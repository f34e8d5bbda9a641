"""What leaves a partition for other topics: follow-ups, events, rejects."""
