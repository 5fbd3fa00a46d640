"""Names that both sides take, and names that only one takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Container

from router.text import shown

LONGEST = 63
_OTHERS = re.compile("[^a-z0-9._-]+", re.ASCII)


def name_of(text: str, taken: Container[str] = ()) -> str:
    """The nearest name that a configuration may have and that nobody has yet."""
    plain = _OTHERS.sub("-", text.lower()).strip("._-")[: LONGEST - 4].strip("._-") or "unnamed"
    number, found = 2, plain
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found


def quoted(text: str) -> str:
    """A name of theirs, as comments repeat it."""
    return shown(text, LONGEST)
