"""How many bytes of events lanes hold in memory: one lane, and all together (pure).

Rules:
(1) A lane claims nothing while it holds `LANE_BYTES`, nor while all lanes together hold `ALL_BYTES`. What is more
    urgent than all that it has ready may go beyond its own limit by `URGENT_BYTES`, and beyond that of all together
    one event at a time: that is one for each severity and lane at most.
(2) A lane that holds nothing may always claim one event: nobody's backlog stops another's lane.

An event is held several times at once (as claimed, as rendered, as sent): the process needs a few times as much.
"""

from __future__ import annotations

from collections.abc import Callable

LANE_BYTES = 4 * 2**20
"""Bytes that one lane holds, but for its last claim."""
URGENT_BYTES = 2**20
"""Bytes beyond it for what is more urgent."""
ALL_BYTES = 16 * 2**20
"""Bytes that all lanes hold together."""


class DeliveryBudget:
    """What all lanes hold together."""

    def __init__(self) -> None:
        self._held = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def room(self) -> int:
        """Bytes that may still be claimed."""
        return ALL_BYTES - self._held

    def take(self, count: int) -> None:
        """So many bytes are held."""
        self._held += count

    def give(self, count: int) -> None:
        """So many are no longer; whoever waits for that is told."""
        self._held -= count
        if self._waiting and self.room > 0:
            waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()

    def wait(self, wake: Callable[[], None]) -> None:
        """Have this called when there is room."""
        if wake not in self._waiting:
            self._waiting.append(wake)
