"""Lines that others can cause at will are logged at most once a minute, with how many were left out."""

from __future__ import annotations

from collections.abc import Callable

EVERY = 60.0
"""Seconds between two lines of one kind."""


class Seldom:
    """Says for one kind of line whether it is time for one again."""

    def __init__(self, clock: Callable[[], float], every: float = EVERY) -> None:
        self._clock = clock
        self._every = every
        self._next = float("-inf")
        self._left_out = 0

    def due(self) -> int | None:
        """How many lines were left out since the last one, where one is due now; else None, and this one is counted."""
        now = self._clock()
        if now < self._next:
            self._left_out += 1
            return None
        self._next = now + self._every
        left_out, self._left_out = self._left_out, 0
        return left_out
