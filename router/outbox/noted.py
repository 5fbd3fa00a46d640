"""What became of deliveries while the file in which they stand was replaced.

It is noted from the moment on at which nothing is written to that file any more, until all of it is taken over: where a
delivery comes to the other file after what became of it was written there, that is written once more, over it.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection

from router.outbox.statements import Settle, sequence_of


class NotedSettlements:
    """Of one file."""

    def __init__(self) -> None:
        self._of = defaultdict[tuple[str, int], list[Settle]](list)
        self._unnumbered: list[Settle] = []

    def note(self, asked: Settle) -> None:
        """This was asked."""
        for one, sequence in zip(asked.settlements, asked.sequences, strict=True):
            settle = Settle([one], [sequence], asked.now)
            if sequence is None:
                self._unnumbered.append(settle)
            else:
                self._of[one.destination, sequence].append(settle)

    def about(self, connection: sqlite3.Connection, deliveries: Collection[tuple[str, int]]) -> list[Settle]:
        """What was asked about these (destination, number of the event), in order; their events are in the file."""
        found = [settle for one in deliveries for settle in self._of.get(one, ())]
        for settle in self._unnumbered:
            (one,) = settle.settlements
            if (one.destination, sequence_of(connection, one.event_id)) in deliveries:
                found.append(settle)
        return found
