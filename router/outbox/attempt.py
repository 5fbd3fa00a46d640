"""An attempt to deliver, as it is kept beside its delivery: what a person asks about afterwards.

Rules:
(1) Of every delivery its first attempt is kept, with which the trouble began, and the last ones: `KEPT` in all. The
    delivery counts them all; what lies between the first and the others was no different from them.
(2) A replay begins attempts anew; what was tried before stays kept.
(3) An attempt is kept by the settlement that it led to, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

KEPT = 10
"""Attempts that are kept of each delivery."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt."""

    at: float
    """When it began, in seconds since 1970."""
    seconds: float
    """How long it took."""
    reason: str = ""
    """Why it failed, by its public code; empty where the receiver has it."""
    status: int | None = None
    """Of the answer, where there was one over HTTP."""
    words: str = ""
    """What the receiver said to it, fit to be shown."""

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has it since."""
        return not self.reason


def as_values(attempt: Attempt) -> Sequence[object]:
    """An attempt as it lies in a file; a NUL in a text, at which SQLite would end it, is kept as U+FFFD."""
    reason, words = attempt.reason.replace("\0", "\ufffd"), attempt.words.replace("\0", "\ufffd")
    return round(attempt.at, 3), round(attempt.seconds, 3), reason, attempt.status, words
