"""How long a loop was held up: while it is, answers that have come lie unread, and no registry is silent.

Rules:
(1) While anybody watches, a timer is due every 16 ms, and by how much it is late is summed up. A busy loop goes round
    in steps, and an exchange needs a dozen of them: of each step, at most these 16 ms are not noticed.
(2) Where nobody watches nothing is measured, and nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Iterator

BEAT_SECONDS = 1 / 64


class Pulse:
    """The timer of one loop."""

    def __init__(self) -> None:
        self._watching = 0
        self._beat: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._held_up = 0.0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Measure within this."""
        if not self._watching:
            self._arm()
        self._watching += 1
        try:
            yield
        finally:
            self._watching -= 1
            if not self._watching and self._beat is not None:
                self._held_up = self.held_up()
                self._beat.cancel()
                self._beat = None

    def held_up(self) -> float:
        """Seconds in which the loop was held up while somebody watched, since the beginning of time."""
        late = 0.0 if self._beat is None else asyncio.get_running_loop().time() - self._due
        return self._held_up + max(0.0, late)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT_SECONDS
        self._beat = loop.call_at(self._due, self._beats)

    def _beats(self) -> None:
        self._held_up = self.held_up()
        self._arm()


_PULSES: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse] = weakref.WeakKeyDictionary()


def pulse() -> Pulse:
    """The pulse of the running loop."""
    loop = asyncio.get_running_loop()
    found = _PULSES.get(loop)
    if found is None:
        found = _PULSES[loop] = Pulse()
    return found
