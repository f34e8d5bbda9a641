"""The past, from the TLog alone: what changed a page, who wrote a field, whether a replay agrees. No user code."""
