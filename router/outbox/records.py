"""What people ask and decide about the deliveries in an SQLite outbox, also while a running router owns it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from asyncio import sleep
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeVar, cast

from router.errors import OutboxError
from router.outbox import changes, queries, schema, selecting
from router.outbox.damage import real
from router.outbox.file import SqliteFile
from router.outbox.observer import UNOBSERVED, OutboxObserver
from router.outbox.own_time import OwnTime
from router.outbox.protocol import DeliveryRow, DeliverySelection, Waiting
from router.outbox.retention import Retention
from router.outbox.statements import Change
from router.outbox.stored import StoredEvent, Stretch, events

Result = TypeVar("Result")


class SqliteRecords:
    """Implements `router.outbox.protocol.Records`; `now` is the outbox's own time."""

    def __init__(
        self,
        file: SqliteFile,
        now: Callable[[], float],
        observer: OutboxObserver = UNOBSERVED,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._now = now
        self.retention = Retention(file, now, observer, time_of_day)
        """Removes what has had its time, or must make room."""

    async def deliveries(
        self, selection: DeliverySelection, limit: int, *, is_open: bool = False
    ) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""
        return await self._file.read(selecting.rows, selection, limit, is_open)

    async def events(self, stretch: Stretch, limit: int) -> Sequence[StoredEvent]:
        """Stored events, newest first unless the stretch says otherwise. Raises OutboxError."""
        return await self._file.read(events, stretch, limit)

    def own_time(self) -> float:
        """The outbox's own time, in seconds; no step of the time of day moves it."""
        return self._now()

    async def change(
        self, apply: Callable[[sqlite3.Connection], int], due: Collection[str] = (), *, is_decided: bool = False
    ) -> int:
        """Have something rarer written; raises OutboxError.

        `due` are destinations of deliveries that are due by it; what `apply` adds to them counts. `is_decided`: a
        person has decided it.
        """
        return cast("int", await self._file.write(Change(apply, due, is_decided), is_patient=True))

    async def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Read something beside what is written; raises OutboxError."""
        return await self._file.read(query)

    async def replay(self, selection: DeliverySelection, to: str | None = None) -> int:
        """Make deliveries that were set aside or wait due now; returns how many."""
        if to is None:
            return await self._decided(selection, changes.replay)
        redirect = partial(changes.redirect, to=to, at=time.time(), now=self._now())
        return await self._decided(selection, redirect)

    async def discard(self, selection: DeliverySelection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good; returns how many."""
        return await self._decided(selection, partial(changes.discard, at=now, now=self._now()))

    async def knows(self, destination: str) -> bool:
        """Whether there is any delivery to it."""
        return await self._file.read(selecting.knows, destination)

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""
        return await self._file.read(queries.waiting)

    async def forget(self, keep: float, keep_set_aside: float | None = None) -> int:
        """Remove events that nobody has waited for within `keep` seconds; returns how many."""
        return await self.retention.forget(keep, keep_set_aside)

    async def close(self) -> None:
        """Finish what was asked and close."""
        await self._file.close()

    async def _decided(self, selection: DeliverySelection, apply: Callable[..., int]) -> int:
        """Change what is selected, in portions, so that nobody waits long for any of them; returns how many.

        After each it rests for as long as that took: whoever stores events meanwhile tries a held file again only now
        and then, and would meet the next portion again and again.
        """
        total, after = 0, (schema.MESSAGES_BEGIN, "")
        while keys := await self._file.read(selecting.selected, selection, after, changes.DECIDED_ROWS):
            began = perf_counter()
            changed = await self._file.write(Change(partial(apply, keys=keys), due=None, is_decided=True))
            total += changed if isinstance(changed, int) else 0
            after = keys[-1]
            await sleep(perf_counter() - began)
        return total


async def beside(path: Path) -> SqliteRecords:
    """Look at and change the deliveries of a file that a running router may own.

    Raises:
        OutboxError: There is no such file, it is of another version, or it can't be read.
    """
    if not await asyncio.to_thread(path.exists):
        raise OutboxError(f"there is no outbox {path}; it is made when the router first starts")
    path = real(path)
    await asyncio.to_thread(schema.expect_current, path)
    now = await asyncio.to_thread(schema.resumed, path, time.time())
    return SqliteRecords(SqliteFile(path, None), OwnTime(now, time.monotonic))
