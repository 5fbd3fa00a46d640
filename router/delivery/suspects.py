"""Which events may be why others of their batch were not taken: each of them goes alone.

Rules:
(1) A batch of several that fails as a whole says of none of them whose fault it is: all of them are suspects from then
    on, and so is what fails alone, or was refused in a batch and waits for its turn to be tried alone. What an answer
    says of each document by itself makes nobody a suspect.
(2) What has an outcome that is no failure is none any more.
(3) At most `MOST` are remembered. Beyond that, and after a restart or a reload, an event that failed goes in a batch
    once more, and is a suspect again if that fails.
"""

from __future__ import annotations

MOST = 50_000
"""Events that are remembered; some MB."""


class Suspects:
    """Of one lane."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ids: set[str] = set()

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    def add(self, event_id: str) -> None:
        """It may be why a batch was not taken."""
        if len(self._ids) >= self._most:
            self._ids.clear()  # who waits has waited through an outage, or was discarded
        self._ids.add(event_id)

    def clear(self, event_id: str) -> None:
        """It is not, or is no longer there."""
        self._ids.discard(event_id)
