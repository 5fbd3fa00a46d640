"""Texts that others wrote and that are too long to be kept, so that people still know them. Pure."""

from __future__ import annotations

import hashlib

SHOWN = 200
"""Characters of a refused text that an error repeats: whoever deploys chooses it."""
HEAD, TAIL = 200, 60
"""Characters that are kept of the beginning and of the end."""


def shortened(text: str) -> str:
    """A long text's head and tail, its length, and the first 12 digits of its SHA-256: two of them are seldom alike."""
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    return f"{text[:HEAD]}...{text[-TAIL:]} ({len(text)} characters, sha256 {digest})"


def shown(text: str, most: int = SHOWN) -> str:
    """A text that others wrote, as an error repeats it: quoted, and no more than so many characters of it."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."
