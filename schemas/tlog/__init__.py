"""Records of the TLog: what was done, by whom, and what it rests on (docs/formats.md, section 10)."""
