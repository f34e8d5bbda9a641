"""Check the checker: bugs planted into copies of the tree, each caught by an assertion that names it."""
