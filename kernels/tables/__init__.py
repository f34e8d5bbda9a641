"""What state looks things up in: keys, ids, sources; and which partition a key belongs to."""
