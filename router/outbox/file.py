"""One SQLite file in hand: its connections, its writer, its lock, and who is told of what is due.

Rules:
(1) The event loop never waits for a flush: a thread commits (`writer`). Claims are small and what they read has just
    been written, so the loop reads them itself; whatever reads more has a thread and a connection of its own.
(2) A file that was damaged or has gone is replaced under whoever uses it (`replacing`): what is asked meanwhile waits.
(3) Subscribers are told of everything that became durable, even if whoever asked has gone or was told that it is late.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from router.errors import OutboxError
from router.outbox import schema, statements
from router.outbox.damage import DamagedError
from router.outbox.protocol import (
    Wake,
)
from router.outbox.schema import MESSAGES_BEGIN, MESSAGES_END
from router.outbox.settlement import (
    Postponed,
)
from router.outbox.statements import Append, Change, OutboxStatement, Settle, Withdraw
from router.outbox.writer import LATE, Lazy, Operation, Writer, awaited, fail

Result = TypeVar("Result")
WrittenListener: TypeAlias = Callable[[Sequence[OutboxStatement]], None]
Damaged: TypeAlias = Callable[[Writer[OutboxStatement], Sequence[Operation[OutboxStatement]], DamagedError], None]

HELD_LIMIT = 60.0
"""Seconds that a command, which changes everything at once, waits for its change."""


class OpenedFile:
    """The connections to one file, and what uses them."""

    def __init__(self, path: Path, written: WrittenListener, damaged: Damaged | None, late: float) -> None:
        self.connections = [schema.connect(path), schema.connect(path), schema.connect(path, busy=0.0)]
        self.reading, self.claiming, writing = self.connections
        self.writer: Writer[OutboxStatement] = Writer(
            writing,
            statements.perform,
            written,
            damaged=damaged,
            late=late,
            lazy=Lazy(_is_settlement, Change(_nothing)),
        )
        self.reader = ThreadPoolExecutor(1, thread_name_prefix="outbox-reader")

    async def read(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read in the thread for that; raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self.reader, partial(query, self.reading, *arguments))

    async def close(self) -> None:
        """Finish what was asked and close."""
        await self.writer.close()
        await asyncio.to_thread(self.reader.shutdown)
        for connection in self.connections:  # the last one moves the log into the file, unless that was moved aside
            await asyncio.to_thread(connection.close)


class SqliteFile:
    """An outbox's file, opened by its owner or by a command beside it.

    Args:
        path: The file; its tables are of this release.
        lock: The descriptor that makes us the owner; None beside one.
    """

    def __init__(self, path: Path, lock: int | None) -> None:
        self._path = path
        self._lock = lock
        self._is_closed = False
        self._late = HELD_LIMIT if lock is None else LATE
        self._replacing = False
        self._opened = self._open()
        self._subscribers: list[Wake] = []
        self._decided: list[Callable[[], None]] = []
        self.appended: list[Callable[[], None]] = []
        """Are told, in the event loop, when events have become durable."""
        self._waiting: list[Operation[OutboxStatement]] = []
        self._settled: list[Settle] | None = None
        self.damaged: Callable[[str], None] = lambda _: None
        """Is told, in the event loop, when the file is found damaged; whoever owns it replaces it."""

    def _open(self) -> OpenedFile:
        damaged = None if self._lock is None else self._taken_over
        return OpenedFile(self._path, self._written, damaged, self._late)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    @property
    def is_alive(self) -> bool:
        """Whether it can still write, or will soon."""
        return self._replacing or self._opened.writer.is_alive

    def write(self, asked: OutboxStatement, *, is_patient: bool = False) -> asyncio.Future[object]:
        """Have it written; the future ends when that is durable, with the result or an OutboxError."""
        if self._settled is not None and isinstance(asked, Settle):
            self._settled.append(asked)
        if not self._replacing:
            return self._opened.writer.submit(asked, is_patient=is_patient)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._wait([Operation(asked, awaited(done), is_patient)])
        return done

    def post(self, operations: Sequence[Operation[OutboxStatement]]) -> None:
        """Have these written, none of which settles anything; each is told what became of it when that is durable."""
        if self._replacing:
            self._wait(operations)
        else:
            self._opened.writer.post(operations)

    def look(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read something small that was just written, at once.

        Raises:
            OutboxError: It can't be read.
        """
        try:
            return query(self._opened.claiming, *arguments)
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    async def read(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read in a thread.

        Raises:
            OutboxError: It can't be read.
        """
        if self._is_closed:
            raise OutboxError("the outbox is closed")
        try:
            return await self._opened.read(query, *arguments)
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def subscribe(self, wake: Wake, decided: Callable[[], None] | None = None) -> None:
        """Have `wake` hear of destinations that may have something due, and `decided` of what people decided."""
        self._subscribers.append(wake)
        if decided is not None:
            self._decided.append(decided)

    def wake(self, destinations: Collection[str] | None, *, is_decided: bool = False) -> None:
        """Something may be due for these, or for any; `is_decided` where a person has decided it."""
        for decided in self._decided if is_decided else ():
            decided()
        for wake in self._subscribers:
            wake(destinations)

    async def replace(self, make: Callable[[], None]) -> OpenedFile:
        """Use another file from now on, which `make` puts in the place of this one, in a thread.

        What is asked meanwhile waits for it. Returns the connections to the file of before, for whoever still reads in
        it; he closes them.

        Raises:
            OutboxError: There is no other file; what waits goes on waiting, until it is too late.
        """
        before, self._replacing = self._opened, True
        await asyncio.wait([asyncio.ensure_future(before.writer.close())], timeout=self._late)
        await asyncio.to_thread(make)
        self._opened = self._open()
        self._replacing = False
        waiting, self._waiting = self._waiting, []
        self._opened.writer.take_over(waiting)
        self.wake(None)
        return before

    @contextmanager
    def noting_settlements(self) -> Iterator[Sequence[Settle]]:
        """What is settled meanwhile, as it comes."""
        self._settled = []
        try:
            yield self._settled
        finally:
            self._settled = None

    async def close(self) -> None:
        """Finish what was asked and close."""
        if self._is_closed:
            return
        self._is_closed = True
        fail(self._waiting, OutboxError("the outbox is closed"))
        await self._opened.close()
        if self._lock is not None:
            os.close(self._lock)

    def _taken_over(
        self, writer: Writer[OutboxStatement], operations: Sequence[Operation[OutboxStatement]], error: DamagedError
    ) -> None:
        if writer is not self._opened.writer:  # the file was replaced meanwhile
            self._opened.writer.take_over(operations)
            return
        self._wait(operations)
        self._replacing = True
        self.damaged(str(error))

    def _wait(self, operations: Sequence[Operation[OutboxStatement]]) -> None:
        self._waiting += operations
        late = OutboxError("the outbox is being replaced")
        asyncio.get_running_loop().call_later(self._late, fail, operations, late)

    def _written(self, durable: Sequence[OutboxStatement]) -> None:
        destinations, has_events = set[str](), False
        for one in durable:
            match one:
                case Append(event):
                    has_events = True
                    destinations.update(event.destinations)
                case Settle(settlements, sequences):
                    destinations.update(
                        of.destination
                        for of, number in zip(settlements, sequences, strict=True)
                        if isinstance(of, Postponed)
                        or (number or MESSAGES_BEGIN) < MESSAGES_END  # others waited for it
                    )
                case Change(_, None) | Change(is_decided=True):
                    self.wake(None, is_decided=one.is_decided)
                case Change(_, due):
                    destinations.update(due or ())
                case Withdraw():
                    pass
        if destinations:
            self.wake(destinations)
        if has_events:
            for told in self.appended:
                told()

    def _trouble(self, error: sqlite3.Error) -> OutboxError:
        if self._is_closed:
            return OutboxError("the outbox is closed")
        trouble = schema.trouble(self._path, error)
        if isinstance(trouble, DamagedError):
            self.damaged(str(trouble))
        return trouble


def locked(path: Path) -> int:
    """Become the owner of the outbox at this path; returns the descriptor that holds the lock until it is closed.

    Raises:
        OutboxError: Another router owns it, or its folder is not there or not writable.
    """
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


def _is_settlement(asked: OutboxStatement) -> bool:
    """What became of deliveries may be found out again after a power cut, by making them again."""
    return isinstance(asked, Settle)


def _nothing(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE numbering SET last = last")
    return 0
