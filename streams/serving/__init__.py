"""The owner of a data folder serves other processes over a Unix socket (docs/formats.md, section 17)."""
