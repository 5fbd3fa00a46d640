"""Reads what the API server sends, whatever stands in it: only what is used, in steps (pure)."""
