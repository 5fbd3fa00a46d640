"""When a process that has ended is started again. Pure; the clock is an argument.

(1) One that had been ready for `PROVEN` seconds is started again at once.
(2) One that ends before waits: 0.1 s the first time in a row, then twice as long, at most 10 s, so that a process that
    can't start takes nothing from the others.
(3) After `HOPELESS` such ends in a row the product is not ready; the next that proves itself ends that.
"""

from __future__ import annotations

from dataclasses import dataclass

PROVEN = 1.0
"""Seconds after which a process that is ready counts as one that works."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
"""Seconds."""
HOPELESS = 5
"""Ends in a row, each before the process had proven itself."""


@dataclass(slots=True)
class Restarts:
    """The ends of one process after the other in the same place."""

    total: int = 0
    """How often it was started again."""
    in_a_row: int = 0
    """Ends since one had proven itself."""

    def ended(self, ready_for: float | None) -> float:
        """It has ended; returns the seconds to wait before the next is started.

        Args:
            ready_for: For how many seconds it had been ready; None: it never was.
        """
        self.total += 1
        if ready_for is not None and ready_for >= PROVEN:
            self.in_a_row = 0
            return 0.0
        self.in_a_row += 1
        return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.in_a_row - 1)))

    def has_proven(self) -> None:
        """It has been ready for `PROVEN` seconds."""
        self.in_a_row = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether so many have ended that nobody should count on the next."""
        return self.in_a_row >= HOPELESS
