"""Single deltas out of blocks that lie anywhere in a segment's bytes: noted, read, applied, and who asked for them."""
