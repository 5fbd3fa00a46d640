"""One SQLite file in hand: its connections, its writer, its lock, and who is told of what is due.

Rules:
(1) The event loop never waits for a flush: a thread commits (`writer`). Claims are small and what they read has just
    been written, so the loop reads them itself; whatever reads more has a thread and a connection of its own.
(2) Subscribers are told of everything that became durable, even if whoever asked has gone or was told that it is late.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from router.errors import OutboxError
from router.outbox import schema, statements
from router.outbox.protocol import Postponed, Told
from router.outbox.statements import Append, Asked, Change, Settle, Withdraw
from router.outbox.writer import LATE, Writer

Result = TypeVar("Result")

HELD_LIMIT = 60.0
"""Seconds that a command, which changes everything at once, waits for its change."""


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
        self._connections = [schema.connect(path), schema.connect(path), schema.connect(path, busy=0.0)]
        self._reading, self._claiming, writing = self._connections
        late = HELD_LIMIT if lock is None else LATE
        self._writer: Writer[Asked] = Writer(writing, statements.perform, self._written, late=late)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="outbox-reader")
        self._told: list[Told] = []

    @property
    def is_alive(self) -> bool:
        """Whether it can still write."""
        return self._writer.is_alive

    def write(self, asked: Asked, *, is_patient: bool = False) -> asyncio.Future[object]:
        """Have it written; the future ends when that is durable, with the result or an OutboxError."""
        return self._writer.submit(asked, is_patient=is_patient)

    def look(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read something small that was just written, at once.

        Raises:
            OutboxError: It can't be read.
        """
        try:
            return query(self._claiming, *arguments)
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    async def read(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read in a thread.

        Raises:
            OutboxError: It can't be read.
        """
        if self._is_closed:
            raise OutboxError("the outbox is closed")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, partial(query, self._reading, *arguments))
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def subscribe(self, told: Told) -> None:
        """Have this told of destinations that may have something due."""
        self._told.append(told)

    def tell(self, destinations: Collection[str] | None) -> None:
        """Something may be due for these, or for any."""
        for told in self._told:
            told(destinations)

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

    def _written(self, durable: Sequence[Asked]) -> None:
        destinations = set[str]()
        for one in durable:
            match one:
                case Append(event):
                    destinations.update(event.destinations)
                case Settle(settlements):
                    destinations.update(of.destination for of in settlements if isinstance(of, Postponed))
                case Change(_, makes_due) if makes_due:
                    self.tell(None)
                case Withdraw() | Change():
                    pass
        if destinations:
            self.tell(destinations)

    def _trouble(self, error: sqlite3.Error) -> OutboxError:
        return OutboxError("the outbox is closed") if self._is_closed else schema.trouble(self._path, error)


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
