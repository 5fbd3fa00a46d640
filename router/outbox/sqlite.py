"""The outbox as one SQLite file, owned by one running router.

Rules, beside those of `protocol`:
(1) The owner holds a lock on `FILE.lock`; a second owner is refused. Commands read and change beside it.
(2) The event loop never waits for a flush: a thread commits (`writer`). Claims are small and what they read has just
    been written, so the loop reads them itself; whatever reads more has a thread and a connection of its own.
(3) Claims are in memory: they end with the process, and then what was not settled is due again.
(4) Subscribers are told of every event that became durable, even if its appender has gone or was told that it is late.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Self, TypeVar

from router.errors import OutboxError
from router.events import with_sequence
from router.outbox import queries, schema, statements
from router.outbox.protocol import Delivery, DeliveryRow, NewEvent, Selection, Settlement, Waiting
from router.outbox.statements import FORGET_ROWS, Append, Asked, Change, Settle
from router.outbox.writer import LATE, Writer

Result = TypeVar("Result")

BODY_LIMIT = 8 * 2**20
"""Bytes of one event at most."""
CLAIM_BYTES = 4 * 2**20
"""Bytes of the events of one claim at most, unless the first alone is larger: it is held in memory several times."""
HELD_LIMIT = 60.0
"""Seconds that a command, which changes everything at once, waits for its change."""
CLAIM_LIMIT = 128
"""Deliveries of one claim at most: the loop stands still for less than a millisecond while it reads them."""


class SqliteOutbox:
    """Implements `router.outbox.protocol.Outbox`."""

    def __init__(self, path: Path, lock: int | None, complete: Callable[[bytes, int], bytes]) -> None:
        """Use `open` or `beside`."""
        self._path = path
        self._lock = lock
        self._complete = complete
        self._is_closed = False
        self._connections = [schema.connect(path), schema.connect(path), schema.connect(path, busy=0.0)]
        self._reading, self._claiming, writing = self._connections
        late = HELD_LIMIT if lock is None else LATE
        self._writer: Writer[Asked] = Writer(writing, statements.perform, self._tell, late=late)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="outbox-reader")
        self._claimed: defaultdict[str, set[int]] = defaultdict(set)
        self._withdrawing: Counter[str] = Counter()
        self._subscribers: list[Callable[[frozenset[str]], None]] = []

    @classmethod
    async def open(cls, path: Path, complete: Callable[[bytes, int], bytes] = with_sequence) -> Self:
        """Own the file: make it if it is not there, check it, bring it up to date.

        Raises:
            OutboxError: Another router owns it, it is damaged or too new, or it can't be written.
        """
        lock = _locked(path)
        try:
            await asyncio.to_thread(schema.prepare, path)
            return cls(path, lock, complete)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    async def beside(cls, path: Path) -> Self:
        """Look at and change the deliveries of a file that a running router may own.

        Raises:
            OutboxError: There is no such file, it is of another version, or it can't be read.
        """
        if not await asyncio.to_thread(path.exists):
            raise OutboxError(f"there is no outbox {path}; it is made when the router first starts")
        await asyncio.to_thread(schema.expect_current, path)
        return cls(path, None, with_sequence)

    @property
    def is_alive(self) -> bool:
        """Whether it can still write."""
        return self._writer.is_alive

    async def append(self, event: NewEvent) -> int:
        """Store an event and its deliveries; returns its sequence number once it is durable."""
        _check(event.body)
        sequence = await self._writer.submit(Append(event))
        if not isinstance(sequence, int):
            raise OutboxError("the outbox gave no number")
        return sequence

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that were given up by whoever appended them; returns the ids of those that are gone."""
        withdrawn: list[str] = []

        def is_claimed(sequence: int) -> bool:
            return any(sequence in claimed for claimed in tuple(self._claimed.values()))

        def apply(connection: sqlite3.Connection) -> int:
            withdrawn[:] = statements.withdraw(connection, ids, is_claimed)
            return len(withdrawn)

        self._withdrawing.update(ids)
        try:
            await self._change(apply)
        finally:
            self._withdrawing.subtract(ids)
            self._withdrawing += Counter()  # forgets what is not being withdrawn any more
        return frozenset(withdrawn)

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due and that nobody has claimed, the longest due first."""
        claimed = self._claimed[destination]
        limit = min(limit, CLAIM_LIMIT)
        try:
            found = queries.due(self._claiming, destination, now, limit + len(claimed))
            free = _within_bytes([one for one in found if one[0] not in claimed][:limit])
            whole = queries.whole(self._claiming, destination, free, self._complete) if free else ()
            taken = tuple(one for one in whole if one.event_id not in self._withdrawing)
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        claimed.update(one.sequence for one in taken)
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
        return await self._read(queries.next_due, destination, list(self._claimed[destination]))

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back, in the event loop, with the destinations of newly appended events."""
        self._subscribers.append(callback)

    async def deliveries(self, selection: Selection, limit: int, *, is_open: bool = False) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""
        return await self._read(queries.rows, selection, limit, is_open)

    async def replay(self, selection: Selection, now: float) -> int:
        """Make deliveries that were set aside or wait due now; returns how many."""
        return await self._change(partial(statements.replay, selection=selection, now=now))

    async def discard(self, selection: Selection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good; returns how many."""
        return await self._change(partial(statements.discard, selection=selection, now=now))

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""
        return await self._read(queries.waiting)

    async def forget(self, before: float) -> int:
        """Remove events of before that time that nobody waits for; returns how many."""
        total = 0
        while found := await self._read(queries.forgettable, before):
            for start in range(0, len(found), FORGET_ROWS):
                some = found[start : start + FORGET_ROWS]
                total += await self._change(partial(statements.forget, sequences=some))
        return total

    async def close(self) -> None:
        """Finish what was asked and close."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._writer.close()
        await asyncio.to_thread(self._reader.shutdown)
        for connection in self._connections:  # the last one moves the log into the file
            await asyncio.to_thread(connection.close)
        if self._lock is not None:
            os.close(self._lock)

    def _tell(self, durable: Sequence[Asked]) -> None:
        appended = [one.event.destinations for one in durable if isinstance(one, Append)]
        if destinations := frozenset(chain.from_iterable(appended)):
            for callback in self._subscribers:
                callback(destinations)

    async def _read(self, query: Callable[..., Result], *arguments: object) -> Result:
        if self._is_closed:
            raise OutboxError("the outbox is closed")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, partial(query, self._reading, *arguments))
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    async def _change(self, apply: Callable[[sqlite3.Connection], int]) -> int:
        changed = await self._writer.submit(Change(apply))
        return changed if isinstance(changed, int) else 0

    def _trouble(self, error: sqlite3.Error) -> OutboxError:
        return OutboxError("the outbox is closed") if self._is_closed else schema.trouble(self._path, error)


def _check(body: bytes) -> None:
    """Refuse what could be stored, but would stand in the way of every claim."""
    if len(body) > BODY_LIMIT:
        raise OutboxError(f"an event of {len(body)} bytes; at most {BODY_LIMIT} are kept")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise OutboxError(f"an event that is no UTF-8: {error.reason} at byte {error.start}") from error
    if 0 in body:
        raise OutboxError("an event with a NUL byte, which JSON does not allow")


def _within_bytes(found: Sequence[tuple[int, int]]) -> list[int]:
    """The first of these numbers, as many as their bytes allow, at least one."""
    total, taken = 0, list[int]()
    for sequence, length in found:
        total += length
        if taken and total > CLAIM_BYTES:
            break
        taken.append(sequence)
    return taken


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
