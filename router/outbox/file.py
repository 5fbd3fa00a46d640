"""One SQLite file in hand: its connections, its writer, its lock, and who is told of what is due.

Rules:
(1) The event loop never waits for a flush: a thread commits (`writer`). Claims are small and what they read has just
    been written, so the loop reads them itself; whatever reads more has a thread and a connection of its own.
(2) A file that was damaged or has gone is replaced under whoever uses it (`replacing`): what is asked meanwhile waits.
(3) What is settled from then on is noted until the file of before is taken over (`noted`), and withdrawals wait for
    that: only then can it be said what may go.
(4) Subscribers are told of everything that became durable, even if whoever asked has gone or was told that it is late.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from router.errors import OutboxError
from router.outbox import schema
from router.outbox.damage import DamagedError
from router.outbox.opened import OpenedFile
from router.outbox.protocol import (
    Wake,
)
from router.outbox.schema import MESSAGES_BEGIN, MESSAGES_END
from router.outbox.settlement import (
    Postponed,
)
from router.outbox.statements import Append, Change, OutboxStatement, Settle, Withdraw
from router.outbox.writer import LATE, Operation, Writer, awaited, fail

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
        self._late = HELD_LIMIT if lock is None else LATE
        self._replacing = False
        self._opened = self._open()
        self._subscribers: list[Wake] = []
        self._decided: list[Callable[[], None]] = []
        self.appended: list[Callable[[], None]] = []
        """Are told, in the event loop, when events have become durable."""
        self._waiting: list[Operation[OutboxStatement]] = []
        self._withdrawals: list[Operation[OutboxStatement]] = []
        self._before: list[OpenedFile] = []
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

    @property
    def is_replacing(self) -> bool:
        """Whether it is to be replaced, or just is: what is asked waits."""
        return self._replacing

    def write(self, asked: OutboxStatement, *, is_patient: bool = False) -> asyncio.Future[object]:
        """Have it written; the future ends when that is durable, with the result or an OutboxError."""
        if isinstance(asked, Settle):
            for before in self._before:
                before.noted.note(asked)
        if not (self._replacing or (self._before and isinstance(asked, Withdraw))):
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

        What is asked meanwhile waits for it. Returns the connections to the file of before, for whoever takes over what
        is in it, and lets go of it then.

        Raises:
            OutboxError: There is no other file; what waits goes on waiting, until it is too late.
        """
        before = self._opened
        self._begin_replacing()
        await asyncio.wait([asyncio.ensure_future(before.writer.close())], timeout=self._late)
        await asyncio.to_thread(make)
        self._opened = self._open()
        self._replacing = False
        self._go_on()
        self.wake(None)
        return before

    async def let_go(self, before: OpenedFile) -> None:
        """Everything in this one is taken over: close it."""
        self._before.remove(before)
        if not self._before:
            withdrawals, self._withdrawals = self._withdrawals, []
            self._opened.writer.take_over(withdrawals)
        await before.close()

    async def close(self) -> None:
        """Finish what was asked and close."""
        if self._is_closed:
            return
        self._is_closed = True
        for operation in (*self._waiting, *self._withdrawals):
            operation.tell(OutboxError("the outbox is closed"))
        await self._opened.close()
        if self._lock is not None:
            os.close(self._lock)

    def _taken_over(
        self, writer: Writer[OutboxStatement], operations: Sequence[Operation[OutboxStatement]], error: DamagedError
    ) -> None:
        if is_found_now := writer is self._opened.writer and not self._replacing:
            self._begin_replacing()
        places = [place for place, one in enumerate(self._before) if one.writer is writer]
        for before in self._before[places[0] :] if places else ():  # those before it have noted it when it was asked
            for operation in operations:
                if isinstance(operation.asked, Settle):
                    before.noted.note(operation.asked)
        self._wait(operations)
        if is_found_now:
            self.damaged(str(error))
        elif not self._replacing:  # it was replaced meanwhile
            self._go_on()

    def _begin_replacing(self) -> None:
        if not self._replacing:
            self._replacing = True
            self._before.append(self._opened)

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._opened.writer.take_over(waiting)

    def _wait(self, operations: Sequence[Operation[OutboxStatement]]) -> None:
        for operation in operations:
            (self._withdrawals if isinstance(operation.asked, Withdraw) else self._waiting).append(operation)
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
