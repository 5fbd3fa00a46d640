"""The outbox as one SQLite file, owned by one running router.

Rules, beside those of `protocol` and `file`:
(1) The owner holds a lock on `FILE.lock`; a second owner is refused. Commands read and change beside it (`records`).
(2) What commands make due is noticed within `LOOK` seconds: a file tells nobody, so it is asked, once for all who wait.
    What people decide is counted in it, and so told from what a scan writes, which mends nothing of what is waited for.
(3) A file counts on when its replica's name changes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self, cast

from router.errors import OutboxError
from router.outbox import changes, older, schema
from router.outbox.claiming import SqliteQueue
from router.outbox.claims import Claims
from router.outbox.damage import real
from router.outbox.file import SqliteFile, locked
from router.outbox.observer import UNOBSERVED, OutboxObserver
from router.outbox.own_time import SAVE_EVERY, OwnTime
from router.outbox.protocol import AppendListener, Delivery, NewEvent, Number
from router.outbox.records import SqliteRecords
from router.outbox.replacing import Replacing, made_usable
from router.outbox.reserve import Reserve
from router.outbox.statements import Append, Change, Withdraw
from router.outbox.storable import expect_storable
from router.outbox.writer import Operation
from router.telemetry.going_on import or_else
from router.telemetry.logs import logger

log = logger()

LOOK = 1.0
"""Seconds between two looks for what other processes have changed, and for claims that have expired."""


class SqliteOutbox(SqliteRecords):
    """Implements `BatchIntake` and `Records` of `router.outbox.protocol`, and has a `Queue` for every owner."""

    def __init__(
        self,
        file: SqliteFile,
        replica: str,
        clock: Callable[[], float],
        now: OwnTime,
        time_of_day: Callable[[], float],
        observer: OutboxObserver,
    ) -> None:
        """Use `open`."""
        super().__init__(file, now, observer, time_of_day)
        self._queues: list[SqliteQueue] = []
        self._replacing = Replacing(file, observer, held=self._held, replaced=self._save_time)
        self._replacing.check()
        self._reserve = Reserve(file.path)
        self._time_of_day = time_of_day
        self._looks = 0
        self._save_time()
        self._replica = replica
        self._claims = Claims(clock)
        self._known = _State()
        self._withdrawing: set[asyncio.Task[AbstractSet[str]]] = set()
        self._loop = asyncio.get_running_loop()
        self._compare()
        self._next_look = self._loop.call_later(LOOK, self._look)

    @classmethod
    async def open(
        cls,
        path: Path,
        replica: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
        observer: OutboxObserver = UNOBSERVED,
    ) -> Self:
        """Own the file: make it if it is not there, bring it up to date; it is checked from then on (`replacing`).

        Args:
            path: The file, or a link to where it is or is to be made.
            replica: Whose events are stored: the first half of their numbers.
            clock: Seconds that never go back, by which claims expire and the outbox's own time passes.
            time_of_day: Seconds since 1970.
            observer: Who counts what the outbox does by itself, and hears what is wrong with it.

        Raises:
            OutboxError: Another router owns it, it is too new or another program's, or it can't be written.
        """
        path = real(path)
        lock = locked(path)
        try:
            await asyncio.to_thread(made_usable, path)
            now = await asyncio.to_thread(schema.resumed, path, time_of_day())
            return cls(SqliteFile(path, lock), replica, clock, OwnTime(now, clock), time_of_day, observer)
        except BaseException:  # also a cancellation: the lock would be held until this process ends
            os.close(lock)
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it can still write."""
        return self._file.is_alive

    async def append(self, event: NewEvent) -> Number:
        """Store an event and its deliveries; returns its number once it is durable."""
        return cast("Number", await self._file.write(self._appending(event)))

    def append_all(self, events: Sequence[NewEvent], told: AppendListener) -> None:
        """Store each of these; `told` is told when that is known of all."""
        # those beside one that we make a mistake about are stored, and whoever posted them must hear of that
        asked = [or_else(partial(self._asked, one), _defect, "event_not_appended", event_id=one.id) for one in events]
        left = _Left([one if isinstance(one, OutboxError) else None for one in asked], told)
        appending = [(place, one) for place, one in enumerate(asked) if isinstance(one, Append)]
        self._file.post([Operation(one, partial(left.put, place)) for place, one in appending])

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that were given up by whoever appended them; returns the ids of those that are gone."""
        barred = self._claims.bar(ids)
        task = asyncio.create_task(self._withdrawn(barred))  # it unbars at its end, whoever waits for that
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawing.discard)
        return await asyncio.shield(task)

    def _asked(self, event: NewEvent) -> Append | OutboxError:
        try:
            return self._appending(event)
        except OutboxError as error:
            return error

    def _appending(self, event: NewEvent) -> Append:
        expect_storable(event)
        if self._reserve.is_used:
            raise OutboxError("the disk is full: free some space, or name a file on a larger disk in outbox.url")
        return Append(event, self._replica, self._now())

    def queue(self, owner: str) -> SqliteQueue:
        """What this owner has to deliver."""
        queue = SqliteQueue(self._file, self._claims, owner, self._now)
        self._queues.append(queue)
        return queue

    def on_append(self, told: Callable[[], None]) -> None:
        """Have this told, in the event loop, when events have become durable."""
        self._file.appended.append(told)

    async def give_severities(self) -> int:
        """Give what an older release stored its severity; returns how many deliveries. Raises OutboxError."""
        return await older.give_severities(self._file)

    def _held(self) -> Sequence[Delivery]:
        return [one for queue in self._queues for one in queue.held]

    async def close(self) -> None:
        """Finish what was asked and close."""
        self._next_look.cancel()
        self._save_time()
        await self._replacing.close()
        self._reserve.close()
        await super().close()

    def _save_time(self) -> None:
        """Save the own time; what is due too far ahead of it, which only another clock can have done, is due now."""
        save = partial(changes.save_time, now=self._now(), time_of_day=self._time_of_day())
        self._file.write(Change(save)).add_done_callback(_seen)

    async def _withdrawn(self, barred: Collection[str]) -> AbstractSet[str]:
        gone: AbstractSet[str] = frozenset()
        try:
            gone = cast("AbstractSet[str]", await self._file.write(Withdraw(barred), is_patient=True))
        finally:
            self._claims.unbar(barred)
            if len(gone) < len(barred):
                self._file.wake(None)
        return gone

    def _look(self) -> None:
        self._next_look = self._loop.call_later(LOOK, self._look)
        self._replacing.look()
        self._reserve.look()
        self._looks += 1
        if self._looks % (SAVE_EVERY // LOOK) == 0:
            self._save_time()
            self._replacing.look_aside()
        if expired := self._claims.expired():
            self._file.wake(expired)
        self._compare()

    def _compare(self) -> None:
        self._file.write(Change(_state)).add_done_callback(self._compared)

    def _compared(self, looked: asyncio.Future[object]) -> None:
        """Tell everybody where another process has changed the file: for the writer, its own changes are none.

        What has become due by it is not known, but whether a person has decided something.
        """
        if looked.cancelled() or looked.exception() is not None:
            return  # whoever writes is told the same
        before, self._known = self._known, cast("_State", looked.result())
        if before.version not in {None, self._known.version}:
            self._file.wake(None, is_decided=self._known.decisions > before.decisions)


class _Left:
    """Of events that are appended together, those of which it is not known yet what became of them."""

    def __init__(self, results: list[OutboxError | None], told: AppendListener) -> None:
        self._results = cast("list[Number | OutboxError]", results)  # whole when it is told
        self._told = told
        self._count = results.count(None)
        if not self._count:
            told(self._results)

    def put(self, place: int, result: object) -> None:
        """This is known of one of them."""
        self._results[place] = cast("Number | OutboxError", result)  # what an `Append` gives
        self._count -= 1
        if not self._count:
            self._told(self._results)


def _defect() -> OutboxError:
    return OutboxError("a defect; the log has it")


def _seen(saved: asyncio.Future[object]) -> None:
    """What can't be saved now is saved with the next: all who write hear of the trouble."""
    saved.cancelled() or saved.exception()


class _State(NamedTuple):
    """By what a change of the file by another process is noticed."""

    version: int | None = None
    """None before the first look."""
    decisions: int = 0


def _state(connection: sqlite3.Connection) -> _State:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    (decisions,) = connection.execute("SELECT count FROM decisions").fetchone()
    return _State(version, decisions)
