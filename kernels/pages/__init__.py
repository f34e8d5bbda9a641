"""Pages alone, as any backend must handle them, behind a plain specification. Machine and fold write words instead
(`stepping/changes.py`, `folding/block_changes.py`); these are measured, and for backends to come."""
