"""IO: the logs and requests that come in, the events that go out. The only folder that awaits."""
