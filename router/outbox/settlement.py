"""What became of a claimed delivery, as whoever made the attempt says it: a closed set. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from router.outbox.attempt import Attempt

LONGEST_DELAY = 3660.0
"""Seconds that anything is postponed at most: what a receiver may ask for, with its jitter."""
RECEIPT_LIMIT = 500
"""Characters of a receipt that is kept."""


class Accepted(msgspec.Struct, frozen=True):
    """The destination has it."""

    destination: str
    event_id: str
    at: float
    attempts: int
    attempt: Attempt | None = None
    """The last of them; it is kept, where it is given."""
    receipt: str = ""
    """What goes along with the next message about the same incident, at most `RECEIPT_LIMIT` characters; what was kept
    before stays where it is empty."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """It is tried again after `delay` seconds, at most `LONGEST_DELAY`."""

    destination: str
    event_id: str
    delay: float
    attempts: int
    reason: str
    """Why; a NUL in it is kept as U+FFFD."""
    words: str = ""
    """What the receiver said, fit to be shown; the same for a NUL."""
    refusals: int = 0
    """As in `Delivery`, from now on."""
    is_refused: bool = False
    """Whether this attempt was refused."""
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """It is given up, until somebody replays it."""

    destination: str
    event_id: str
    at: float
    attempts: int
    reason: str
    words: str = ""
    attempt: Attempt | None = None


Settlement: TypeAlias = Accepted | Postponed | SetAside
