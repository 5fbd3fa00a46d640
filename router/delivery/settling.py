"""What became of attempts, on its way into the outbox.

Rules:
(1) Settlements of one destination are recorded by one task, as many at once as have come together while the previous
    ones were flushed: a flush costs the same for one as for fifty.
(2) A settlement that the outbox can't take is kept and tried again until it is durable: what was delivered must not
    be forgotten while we live. Meanwhile `count` says how many wait, and the lane holds its attempts back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from router.outbox import Queue, Settlement
from router.telemetry.going_on import awaited_or_else

SETTLE_AGAIN = 1.0
"""Seconds before settlements that the outbox could not take are tried again."""


class SettlementWriter:
    """Records the settlements of one destination; `settled` is called when some have become durable."""

    def __init__(self, destination: str, queue: Queue, settled: Callable[[], None]) -> None:
        self._destination = destination
        self._queue = queue
        self._settled = settled
        self._new: list[Settlement] = []
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flushing: Sequence[Settlement] = ()

    @property
    def undurable(self) -> Sequence[Settlement]:
        """Settlements that a crash would undo."""
        return [*self._flushing, *self._new]

    @property
    def count(self) -> int:
        """How many settlements a crash would undo."""
        return len(self._flushing) + len(self._new)

    def put(self, settlement: Settlement) -> None:
        """Have this recorded."""
        self._new.append(settlement)
        self._idle.clear()
        self._news.set()

    async def until_idle(self) -> None:
        """Return when everything is durable."""
        await self._idle.wait()

    async def run(self) -> None:
        """Record, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._flushing, self._new = self._new, []
            await self._flush(self._flushing)
            self._flushing = ()
            if not self._new:
                self._idle.set()
            self._settled()

    async def _flush(self, settlements: Sequence[Settlement]) -> None:
        settle = partial(self._are_settled, settlements)
        about: Mapping[str, object] = {"destination": self._destination, "count": len(settlements)}
        while not await awaited_or_else(settle, _not_yet, "settlement_postponed", **about):  # (2)
            pass

    async def _are_settled(self, settlements: Sequence[Settlement]) -> bool:
        await self._queue.settle(settlements)
        return True


async def _not_yet() -> bool:
    await asyncio.sleep(SETTLE_AGAIN)
    return False
