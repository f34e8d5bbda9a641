"""Partitions of an application, each a mirror of its topics: who owns or follows them, and how they begin."""
