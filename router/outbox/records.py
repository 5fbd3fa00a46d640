"""What people ask and decide about the deliveries in an SQLite outbox, also while a running router owns it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from router.errors import OutboxError
from router.outbox import changes, queries, schema
from router.outbox.changes import FORGET_ROWS
from router.outbox.file import SqliteFile
from router.outbox.own_time import OwnTime
from router.outbox.protocol import DeliveryRow, Selection, Waiting
from router.outbox.statements import Change


class SqliteRecords:
    """Implements `router.outbox.protocol.Records`; `now` is the outbox's own time."""

    def __init__(self, file: SqliteFile, now: Callable[[], float]) -> None:
        self._file = file
        self._now = now

    async def deliveries(self, selection: Selection, limit: int, *, is_open: bool = False) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""
        return await self._file.read(queries.rows, selection, limit, is_open)

    async def replay(self, selection: Selection) -> int:
        """Make deliveries that were set aside or wait due now; returns how many."""
        return await self._changed(partial(changes.replay, selection=selection), makes_due=True)

    async def discard(self, selection: Selection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good; returns how many."""
        return await self._changed(partial(changes.discard, selection=selection, at=now, now=self._now()))

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""
        return await self._file.read(queries.waiting)

    async def forget(self, keep: float) -> int:
        """Remove events that nobody has waited for within so many seconds; returns how many."""
        total, before = 0, self._now() - keep
        while found := await self._file.read(queries.forgettable, before):
            for start in range(0, len(found), FORGET_ROWS):
                some = found[start : start + FORGET_ROWS]
                total += await self._changed(partial(changes.forget, sequences=some))
        return total

    async def close(self) -> None:
        """Finish what was asked and close."""
        await self._file.close()

    async def _changed(self, apply: Callable[[sqlite3.Connection], int], *, makes_due: bool = False) -> int:
        changed = await self._file.write(Change(apply, makes_due))
        return changed if isinstance(changed, int) else 0


async def beside(path: Path) -> SqliteRecords:
    """Look at and change the deliveries of a file that a running router may own.

    Raises:
        OutboxError: There is no such file, it is of another version, or it can't be read.
    """
    if not await asyncio.to_thread(path.exists):
        raise OutboxError(f"there is no outbox {path}; it is made when the router first starts")
    await asyncio.to_thread(schema.expect_current, path)
    now = await asyncio.to_thread(schema.resumed, path, time.time())
    return SqliteRecords(SqliteFile(path, None), OwnTime(now, time.monotonic))
