"""Rows as RocksDB keeps them in a file: blocks, their checksums, and a filter of keys."""
