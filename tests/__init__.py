"""The specification, as tests: one folder per part of the tree."""
