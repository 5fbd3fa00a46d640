"""Tells of bodies that are no review, together: whoever reaches the port can send as many as he likes.

Rules:
(1) The first body of a cause is told at once. Further ones within a minute are told together, at its end; then the
    next minute begins.
(2) An event says how many there were, from where the first of them came, and the SHA-256 of its body.
(3) What is counted when the router stops is told then.
(4) Reviews of which only the beginning was read, and which were let in, are told in the same way: nobody knows whether
    they were dry runs, so none gets an event of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from router.errors import UnreadableCause

EVERY = 60.0
"""Seconds that bodies of a cause are told together."""


@dataclass(frozen=True, slots=True)
class UnreadableGroup:
    """Bodies of one cause."""

    cause: UnreadableCause
    count: int
    first_peer: str
    first_sha256: str
    problem: str
    """What was wrong with the first, in words."""


class UnreadableBodies:
    """Counts bodies by cause and tells of them."""

    def __init__(self, tell: Callable[[UnreadableGroup], Awaitable[None]]) -> None:
        self._tell = tell
        self._counted: dict[UnreadableCause, UnreadableGroup | None] = {}
        self._timers: dict[UnreadableCause, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, cause: UnreadableCause, problem: str, peer: str, body: memoryview) -> None:
        """Count a body, and tell of it now or later."""
        counted = self._counted.get(cause)
        if counted is not None:
            self._counted[cause] = UnreadableGroup(
                cause, counted.count + 1, counted.first_peer, counted.first_sha256, counted.problem
            )
            return
        first = UnreadableGroup(cause, 1, peer, hashlib.sha256(body).hexdigest(), problem)
        if cause in self._timers:
            self._counted[cause] = first
        else:
            self._begin(first)

    async def close(self) -> None:
        """Tell of what was counted."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for counted in self._counted.values():
            if counted is not None:
                self._start(counted)
        self._counted.clear()
        await asyncio.gather(*self._tasks)

    def _begin(self, told: UnreadableGroup) -> None:
        self._start(told)
        self._timers[told.cause] = asyncio.get_running_loop().call_later(EVERY, self._end, told.cause)

    def _end(self, cause: UnreadableCause) -> None:
        del self._timers[cause]
        counted = self._counted.pop(cause, None)
        if counted is not None:
            self._begin(counted)

    def _start(self, told: UnreadableGroup) -> None:
        async def tell() -> None:
            await self._tell(told)

        task = asyncio.get_running_loop().create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
