"""The home of a partition's state: what is in memory, what is in rows of a store, and the ways between them."""
