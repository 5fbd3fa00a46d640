"""The outbox as one SQLite file, owned by one running router.

Rules, beside those of `protocol`:
(1) The owner holds a lock on `FILE.lock`; a second owner is refused. Commands read and change beside it.
(2) The event loop never waits for a flush: a thread commits (`writer`). Claims are small and what they read has just
    been written, so the loop reads them itself; whatever reads more has a thread and a connection of its own.
(3) Claims are in memory: they end with the process, and then what was not settled is due again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from router.errors import OutboxError
from router.events import with_sequence
from router.outbox import schema, statements
from router.outbox.protocol import Delivery, DeliveryRow, NewEvent, Selection, Settlement, Waiting
from router.outbox.statements import Append, Asked, Change, Performing, Settle
from router.outbox.writer import Writer

Result = TypeVar("Result")

CLAIM_LIMIT = 128
"""Deliveries of one claim at most: the loop stands still for less than a millisecond while it reads them."""


class SqliteOutbox:
    """Implements `router.outbox.protocol.Outbox`."""

    def __init__(self, path: Path, lock: int | None, complete: Callable[[bytes, int], bytes]) -> None:
        """Use `open` or `beside`."""
        self._path = path
        self._lock = lock
        self._complete = complete
        self._reading = schema.connect(path)
        self._claiming = schema.connect(path)
        self._writing = schema.connect(path, busy=0.0)
        last = self._writing.execute("SELECT last FROM numbering").fetchone()[0]
        self._writer: Writer[Asked] = Writer(self._writing, Performing(last))
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="outbox-reader")
        self._claimed: defaultdict[str, set[int]] = defaultdict(set)
        self._subscribers: list[Callable[[frozenset[str]], None]] = []

    @classmethod
    async def open(cls, path: Path, complete: Callable[[bytes, int], bytes] = with_sequence) -> Self:
        """Own the file: make it if it is not there, check it, bring it up to date.

        Raises:
            OutboxError: Another router owns it, it is damaged or too new, or it can't be written.
        """
        lock = _locked(path)
        try:
            await asyncio.to_thread(_prepare, path)
            return cls(path, lock, complete)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    async def beside(cls, path: Path) -> Self:
        """Look at and change the deliveries of a file that a running router may own.

        Raises:
            OutboxError: There is no such file, or it can't be read.
        """
        if not await asyncio.to_thread(path.exists):
            raise OutboxError(f"there is no outbox {path}; it is made when the router first starts")
        await asyncio.to_thread(_prepare, path)
        return cls(path, None, with_sequence)

    @property
    def is_alive(self) -> bool:
        """Whether it can still write."""
        return self._writer.is_alive

    async def append(self, event: NewEvent) -> int:
        """Store an event and its deliveries; returns its sequence number once it is durable."""
        sequence = await self._writer.submit(Append(event))
        if not isinstance(sequence, int):
            raise OutboxError("the outbox gave no number")
        if self._subscribers and event.destinations:
            destinations = frozenset(event.destinations)
            for callback in self._subscribers:
                callback(destinations)
        return sequence

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due and that nobody has claimed, the longest due first."""
        claimed = self._claimed[destination]
        limit = min(limit, CLAIM_LIMIT)
        try:
            found = statements.due(self._claiming, destination, now, limit + len(claimed))
            free = [sequence for sequence in found if sequence not in claimed][:limit]
            taken = statements.whole(self._claiming, destination, free, self._complete) if free else ()
        except sqlite3.Error as error:
            raise OutboxError(f"the outbox {self._path} can't be read: {error}") from error
        claimed.update(free)
        return taken

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; durable when it returns."""
        await self._writer.submit(Settle(settlements))
        for one in settlements:
            self._claimed[one.destination].discard(one.sequence)

    def release(self, destination: str, sequences: Sequence[int]) -> None:
        """Give claims back that were not tried."""
        self._claimed[destination].difference_update(sequences)

    async def next_due(self, destination: str) -> float | None:
        """When the next unclaimed delivery of this destination is due, in seconds since 1970."""
        return await self._read(statements.next_due, destination, list(self._claimed[destination]))

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back, in the event loop, with the destinations of newly appended events."""
        self._subscribers.append(callback)

    async def deliveries(self, selection: Selection, limit: int, *, is_open: bool = False) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""
        return await self._read(statements.rows, selection, limit, is_open)

    async def replay(self, selection: Selection, now: float) -> int:
        """Make deliveries that were set aside or wait due now; returns how many."""
        return await self._change(partial(statements.replay, selection=selection, now=now))

    async def discard(self, selection: Selection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good; returns how many."""
        return await self._change(partial(statements.discard, selection=selection, now=now))

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""
        return await self._read(statements.waiting)

    async def forget(self, before: float) -> int:
        """Remove events of before that time that nobody waits for; returns how many."""
        total = 0
        while count := await self._change(partial(statements.forget, before=before)):
            total += count
        return total

    async def close(self) -> None:
        """Finish what was asked and close."""
        await self._writer.close()
        await asyncio.to_thread(self._reader.shutdown)
        self._reading.close()
        self._claiming.close()
        self._writing.close()
        if self._lock is not None:
            os.close(self._lock)

    async def _read(self, query: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, partial(query, self._reading, *arguments))
        except sqlite3.Error as error:
            raise OutboxError(f"the outbox {self._path} can't be read: {error}") from error

    async def _change(self, apply: Callable[[sqlite3.Connection], int]) -> int:
        changed = await self._writer.submit(Change(apply))
        return changed if isinstance(changed, int) else 0


def _prepare(path: Path) -> None:
    connection = schema.connect(path)
    try:
        schema.prepare(connection, path)
    finally:
        connection.close()


def _locked(path: Path) -> int:
    name = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutboxError(
            f"the outbox {path} can't be opened: {error.strerror}; make its folder, writable for this user, "
            "or change outbox.url"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OutboxError(f"the outbox {path} is in use by another router; give each its own file") from error
    return descriptor
