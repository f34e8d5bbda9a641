"""What folding does with a block: check all of it, then change pages, ids, marks and counts, or nothing."""
