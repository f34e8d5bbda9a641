"""What is kept: the pages, the fold that builds them from the log, and their durable home."""
