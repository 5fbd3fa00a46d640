"""How the place of a secret in a document is remembered until the document is sent. Pure.

A template never sees a destination's secrets: `destination.secrets.NAME` makes a place in the document, and whoever
sends it fills it in, after everything else (`router.destinations.secrets`). So no secret is in a log, a preview, an
error or a store, and none is cut, escaped for a service's markup or repeated by whatever comes in between.

Rules:
(1) A place is a word that only its sender can make: it has 128 bits that nobody else knows (`mark`). A name that looks
    like a place is none, and is sent as it is.
(2) It is of letters and digits of ASCII, so that no markup and no encoding changes it.
(3) It is as long as its secret is where that is sent, or longer: what is cut to a limit keeps it when it is filled in.
    It is never cut apart (`end_before`).
(4) It says how many times it stands in JSON that is itself a text: that is escaped once more (`nested`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "GatecrierSecret"
MASK = "[redacted]"
"""What stands in the place of a secret where nothing is sent."""
MOST = 256
"""Secrets of a destination: as two digits tell apart."""
_DEEPEST = 9
_FORM = re.compile(f"{PREFIX}([0-9a-f]{{32}})([0-9a-f]{{2}})([0-9])P*E")


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """A place in a document."""

    mark: str
    """32 hexadecimal digits that only the sender knows."""
    index: int
    """Which secret."""
    depth: int = 0
    """How many times JSON stands within a text around it."""

    def text(self, size: int = 0) -> str:
        """It as it stands in a document, in at least so many characters."""
        beginning = f"{PREFIX}{self.mark}{self.index:02x}{self.depth}"
        return f"{beginning:P<{size - 1}}E" if size > len(beginning) else f"{beginning}E"


def nested(json_text: str) -> str:
    """JSON that becomes a text: what is filled in there is escaped once more."""
    if PREFIX not in json_text:
        return json_text
    return _FORM.sub(_deeper, json_text)


def _deeper(found: re.Match[str]) -> str:
    place, start = found[0], found.start(3) - found.start()
    return f"{place[:start]}{min(int(found[3]) + 1, _DEEPEST)}{place[start + 1 :]}"


def end_before(text: str, end: int) -> int:
    """Where a text that is cut there ends instead, so that no place is cut apart."""
    if PREFIX not in text:
        return end
    return next((one.start() for one in _FORM.finditer(text) if one.start() < end < one.end()), end)


def has_place(text: str) -> bool:
    """Whether a secret would be filled in somewhere."""
    return PREFIX in text and _FORM.search(text) is not None
