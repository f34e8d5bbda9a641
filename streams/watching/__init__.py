"""What a process says of itself over HTTP: whether it is alive, ready and gets on, and figures for Prometheus."""
