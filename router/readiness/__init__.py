"""Whether a namespace can be enforced now: what was seen while it was watched, and what would have been refused."""
