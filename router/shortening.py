"""Texts that others wrote and that are too long to be kept, so that people still know them. Pure."""

from __future__ import annotations

import hashlib

HEAD, TAIL = 200, 60
"""Characters that are kept of the beginning and of the end."""


def shortened(text: str) -> str:
    """A long text's head and tail, its length, and the first 12 digits of its SHA-256: two of them are seldom alike."""
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    return f"{text[:HEAD]}...{text[-TAIL:]} ({len(text)} characters, sha256 {digest})"
