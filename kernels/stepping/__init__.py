"""What stepping does: settle, change pages, emit, and build the block."""
