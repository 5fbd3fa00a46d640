"""Takes over what can still be read of an outbox's file that was replaced, beside everything else.

Rules:
(1) The newest goes first, then what is older, then messages about incidents, then what the lanes have in memory.
(2) Until everything is written to the other file, the file of before is the only place where it stands: a write is
    waited for, however long it takes, and what can't be written is tried again after `AGAIN` seconds, after the rest.
(3) The connections to the file of before are closed when all of it is through, or with the outbox.
(4) Where the other file is replaced, too, meanwhile, all begins anew with the newest of the files of before: what of it
    was written can perhaps not be read any more. Nothing is written twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from router.errors import OutboxError
from router.outbox import salvage
from router.outbox.file import SqliteFile
from router.outbox.noted import NotedSettlements
from router.outbox.opened import OpenedFile
from router.outbox.protocol import Delivery
from router.outbox.statements import Change
from router.telemetry.going_on import awaited_or_else
from router.telemetry.logs import logger

log = logger()

AGAIN = 5.0
"""Seconds before what could not be written is tried again."""


@dataclass(frozen=True, slots=True)
class Before:
    """A file of before, of which not everything is taken over yet."""

    file: OpenedFile
    last: int
    """The number of its last event."""

    async def portions(self) -> Sequence[tuple[int, int]]:
        """The first and the last number of each portion, in order."""
        try:
            messages = await self.file.read(salvage.open_messages)
        except sqlite3.Error:  # those that lanes hold are taken over all the same
            messages = None
        return [*_portions(1, self.last), *(() if messages is None else _portions(*messages))]


class TakingOver:
    """Takes over from files of before.

    Args:
        file: Where what is taken over is written.
        held: What the lanes have in memory.
    """

    def __init__(self, file: SqliteFile, held: Callable[[], Sequence[Delivery]]) -> None:
        self._file = file
        self._held = held
        self._left: list[Before] = []
        self.task: asyncio.Task[None] | None = None
        """Takes over, as long as there is something left."""

    def begin(self, before: OpenedFile, last: int) -> None:
        """Take over what can be read in this one, of which this is the last number, and close it afterwards."""
        self._left = [Before(before, last), *self._left]
        if self.task is None:
            self.task = asyncio.create_task(self._begun())

    async def close(self) -> None:
        """Close what is left; nothing of it is taken over any more."""
        if self._left:
            log.error("outbox_not_taken_over", path=str(self._file.path), error="the outbox is closed")
        for one in self._left:
            await one.file.close()

    async def _begun(self) -> None:
        try:  # nobody waits for this task, so nobody would hear of a mistake
            while self._left:
                await awaited_or_else(self._taken_over, _pause, "outbox_not_taken_over", path=str(self._file.path))
        finally:
            self.task = None

    async def _taken_over(self) -> None:
        began, found, left = time.monotonic(), _Found(), self._left
        portions = [(one.file, *portion) for one in left for portion in await one.portions()]
        is_through = await self._through([partial(self._put, *portion, found) for portion in portions], left)
        noted = left[-1].file.noted  # since the first of them was given up
        if not (is_through and await self._through([partial(self._keep, noted, one) for one in self._held()], left)):
            return  # (4)
        seconds = round(time.monotonic() - began, 1)
        log.warning("outbox_taken_over", events=found.events, unreadable_events=found.unreadable, seconds=seconds)
        self._left = []
        for one in left:
            await self._file.let_go(one.file)

    async def _through(self, steps: Iterable[Callable[[], Awaitable[None]]], left: Sequence[Before]) -> bool:
        """Whether all of these are done, and nothing but this is left to be taken over."""
        to_do = deque(steps)
        while to_do and self._left is left:
            step = to_do.popleft()
            try:
                await step()
            except OutboxError as error:  # (2)
                log.warning("outbox_not_taken_over", path=str(self._file.path), error=str(error))
                to_do.append(step)
                await _pause()
        return self._left is left

    async def _put(self, before: OpenedFile, first: int, end: int, total: _Found) -> None:
        found = await before.read(salvage.read, first, end)
        if found.rows["events"]:
            put = partial(salvage.put, found=found, noted=before.noted)
            done = await self._file.write(Change(put, None), is_patient=True)
            total.events += done if isinstance(done, int) else 0
        total.unreadable += len(found.unreadable)

    async def _keep(self, noted: NotedSettlements, delivery: Delivery) -> None:
        keep = partial(salvage.keep, delivery=delivery, noted=noted)
        await self._file.write(Change(keep, due=None), is_patient=True)


@dataclass(slots=True)
class _Found:
    """How much there was."""

    events: int = 0
    unreadable: int = 0


async def _pause() -> None:
    await asyncio.sleep(AGAIN)


def _portions(first: int, last: int) -> list[tuple[int, int]]:
    """The numbers from the first to the last in portions, the newest first."""
    return [(max(first, end - salvage.PORTION + 1), end) for end in range(last, first - 1, -salvage.PORTION)]
