"""Whole numbers as JSON has them. Pure."""

from __future__ import annotations

INTEGERS = range(-(2**63), 2**64)
"""Those that parsers of JSON agree on, and orjson writes."""
