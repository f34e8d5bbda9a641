"""What happens when something fails: every row of the table in docs/faults.md, held by a test."""
