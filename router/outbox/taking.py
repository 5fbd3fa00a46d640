"""Takes over what can still be read of an outbox's file that was replaced, beside everything else.

Rules:
(1) The newest goes first, then what is older, then messages about incidents, then what the lanes have in memory.
(2) Until everything is written to the other file, the file of before is the only place where it stands: a write is
    waited for, however long it takes, and what can't be written is tried again after `AGAIN` seconds, after the rest.
(3) The connections to the file of before are closed when all of it is through, or with the outbox.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from router.errors import OutboxError
from router.outbox import salvage
from router.outbox.file import OpenedFile, SqliteFile
from router.outbox.protocol import Delivery
from router.outbox.statements import Change, Settle
from router.telemetry.logs import logger

log = logger()

AGAIN = 5.0
"""Seconds before what could not be written is tried again."""


class TakingOver:
    """Takes over from files of before.

    Args:
        file: Where what is taken over is written.
        held: What the lanes have in memory.
    """

    def __init__(self, file: SqliteFile, held: Callable[[], Sequence[Delivery]]) -> None:
        self._file = file
        self._held = held

    async def take_over(self, before: OpenedFile, last: int) -> None:
        """Take over what can be read in this one, of which this is the last number, and close it."""
        try:
            with self._file.noting_settlements() as settled:
                await self._taken_over(before, last, settled)
        finally:
            await before.close()

    async def _taken_over(self, before: OpenedFile, last: int, settled: Sequence[Settle]) -> None:
        began, found = time.monotonic(), _Found()
        portions = [*_portions(1, last), *(await _messages(before))]
        await self._through(partial(self._put, before, *portion, settled, found) for portion in portions)
        await self._through([partial(self._keep, one) for one in self._held()])
        seconds = round(time.monotonic() - began, 1)
        log.warning("outbox_taken_over", events=found.events, unreadable_events=found.unreadable, seconds=seconds)

    async def _through(self, steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
        left = deque(steps)
        while left:
            step = left.popleft()
            try:
                await step()
            except OutboxError as error:  # (2)
                log.warning("outbox_not_taken_over", path=str(self._file.path), error=str(error))
                left.append(step)
                await asyncio.sleep(AGAIN)

    async def _put(self, before: OpenedFile, first: int, end: int, settled: Sequence[Settle], total: _Found) -> None:
        found = await before.read(salvage.read, first, end)
        if found.rows["events"]:
            put = partial(salvage.put, found=found, settled=settled)
            done = await self._file.write(Change(put, None), is_patient=True)
            total.events += done if isinstance(done, int) else 0
        total.unreadable += len(found.unreadable)

    async def _keep(self, delivery: Delivery) -> None:
        await self._file.write(Change(partial(salvage.keep, delivery=delivery), due=None), is_patient=True)


class _Found:
    """How much there was."""

    def __init__(self) -> None:
        self.events = self.unreadable = 0


async def _messages(before: OpenedFile) -> Sequence[tuple[int, int]]:
    try:
        found = await before.read(salvage.open_messages)
    except sqlite3.Error:  # those that lanes hold are taken over all the same
        return ()
    return () if found is None else _portions(*found)


def _portions(first: int, last: int) -> list[tuple[int, int]]:
    """The numbers from the first to the last in portions, the newest first."""
    return [(max(first, end - salvage.PORTION + 1), end) for end in range(last, first - 1, -salvage.PORTION)]
