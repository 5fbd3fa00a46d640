"""What became of an attempt to deliver: a closed set. Pure.

`reason` is a public code: it labels metrics and stands in `deliveries list`. It never holds anything that a receiver
said, and no address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has given its receipt."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may succeed later."""

    reason: str
    after: float | None = None
    """Seconds that the receiver asked us to wait."""
    pauses: bool = False
    """Whether nothing can be delivered there until somebody mends it (credentials are refused)."""


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The receiver will never take this."""

    reason: str


Outcome: TypeAlias = Delivered | TryAgain | Undeliverable
