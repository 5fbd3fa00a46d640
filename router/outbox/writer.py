"""Group commit: everything that is asked while one transaction is being flushed goes into the next one.

Order:
(1) `submit` and `post` are called in the event loop. What is asked in one turn of the loop, and all that is asked while
    a transaction is being flushed, is one batch; what is posted together waits for no other.
(2) The batch is written into an open transaction right there: that touches memory only. Then a thread commits, which
    waits for the disk, and says in one call to the loop what became of it.
(3) When a batch can't be written so (another process has the file, or an operation fails), it is rolled back, and
    the thread runs each operation in a transaction of its own, with patience, so that only those fail that can't be
    done. The thread never ends by an error, and leaves no transaction open.
(4) What was written is told even if nobody waits for it any more (`written`).
(5) What can't be written because the file is damaged is handed over with whoever waits for it, if somebody takes it
    over (`damaged`): he has it written to another file (`take_over`).

(6) What may be made again after a power cut (`Lazy`) waits for no flush of its own: a transaction of nothing else is
    written without one, which the death of the process does not undo, and is flushed with the next that needs it, or
    after `FLUSH_WITHIN` seconds. What changes no row is no such next one: SQLite flushes nothing then.

Why the loop writes and the thread only commits: Python gives up its global lock at every step of a statement, and
every thread that wants the lock back then takes turns with the busy loop. One step per batch in another thread costs a
tenth of what a dozen cost (`tests/bench`).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from router.errors import OutboxError
from router.outbox.damage import DamagedError, as_outbox_error
from router.outbox.schema import PATIENCE
from router.telemetry.going_on import nothing, or_else
from router.telemetry.logs import logger

log = logger()

Asked = TypeVar("Asked")

LATE = 1.0
"""Seconds that an admission waits for a commit at most."""
BATCH_LIMIT = 128
"""Operations of one transaction at most: the loop stands still for about a millisecond while it writes them."""
FLUSH_WITHIN = 1.0
"""Seconds after which what waits for no flush of its own is flushed all the same."""


@dataclass(frozen=True, slots=True)
class Lazy(Generic[Asked]):
    """What needs no flush of its own."""

    may_wait: Callable[[Asked], bool]
    """Whether this is such."""
    nothing: Asked
    """What changes nothing that is read, yet is written and flushed."""


@dataclass(slots=True)
class Operation(Generic[Asked]):
    """Something to be written, and whoever waits for it."""

    asked: Asked
    told: Callable[[object], None]
    """Is told once, in the event loop: the result, or an OutboxError."""
    is_patient: bool = False
    """Whether whoever waits wants no other answer than what became of it."""
    is_told: bool = False

    def tell(self, result: object) -> None:
        """Tell whoever waits, unless he was told already."""
        if not self.is_told:
            self.is_told = True
            or_else(partial(self.told, result), nothing, "written_not_told")  # others wait for the same transaction


def fail(operations: Iterable[Operation[Asked]], error: OutboxError) -> None:
    """Tell those who wait for these, and are not patient, that it is not known what becomes of them."""
    for operation in operations:
        if not operation.is_patient:
            operation.tell(error)


def awaited(done: asyncio.Future[object]) -> Callable[[object], None]:
    """Whoever awaits this, to be told by `Operation.told`."""

    def told(result: object) -> None:
        if done.done():
            pass  # whoever asked has gone; what was asked is done all the same
        elif isinstance(result, OutboxError):
            done.set_exception(result)
        else:
            done.set_result(result)

    return told


Perform: TypeAlias = Callable[[sqlite3.Connection, Sequence[Asked]], Sequence[object]]
"""Writes what is asked, inside a transaction; returns a result for each, in order."""


class Writer(Generic[Asked]):
    """Writes batches, one after the other.

    Args:
        connection: For this writer alone; it does not wait for other processes by itself.
        perform: Writes a batch.
        written: Is told in the event loop, before whoever awaits a future, what has become durable.
        damaged: Is given, in the event loop, what can't be written because the file is damaged; None where nobody takes
            it over.
        late: Seconds after which whoever waits for a commit is told that it takes too long; it goes on nevertheless.
        lazy: What needs no flush of its own; None: everything does.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        perform: Perform[Asked],
        written: Callable[[Sequence[Asked]], None],
        *,
        damaged: Callable[[Writer[Asked], Sequence[Operation[Asked]], DamagedError], None] | None = None,
        late: float = LATE,
        lazy: Lazy[Asked] | None = None,
    ) -> None:
        self._connection = connection
        _wait(connection, 0.0)
        self._lazy = lazy
        self._flushes = True
        self._flush: asyncio.TimerHandle | None = None
        self._perform = perform
        self._written = written
        self._damaged = damaged
        self._late_after = late
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Operation[Asked]] = []
        self._handed: Sequence[Operation[Asked]] = ()
        self._is_busy = self._is_closing = self._is_flush = False
        self._alarm: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._batches: queue.SimpleQueue[tuple[Sequence[Operation[Asked]], Sequence[object] | None] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="outbox-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def submit(self, asked: Asked, *, is_patient: bool = False) -> asyncio.Future[object]:
        """Have it written; the future ends when that is durable, with the result or an OutboxError.

        Who is patient is not told that it takes too long.
        """
        done: asyncio.Future[object] = self._loop.create_future()
        self._ask([Operation(asked, awaited(done), is_patient)])
        return done

    def post(self, operations: Sequence[Operation[Asked]]) -> None:
        """Have these written, beginning at once where no transaction is being flushed."""
        self._ask(operations)
        self._hand_over()

    def _ask(self, operations: Sequence[Operation[Asked]]) -> None:
        if not self._is_closing:
            self.take_over(operations)
            return
        for operation in operations:
            operation.tell(OutboxError("the outbox is closed"))

    def take_over(self, operations: Sequence[Operation[Asked]]) -> None:
        """Have these written, for whoever waits for them."""
        if not operations:
            return
        if not self._waiting and not self._is_busy:
            self._loop.call_soon(self._hand_over)
        self._waiting += operations
        self._idle.clear()

    async def close(self) -> None:
        """Write what was asked, then end the thread."""
        self._is_closing = True
        if self._flush is not None:
            self._flush.cancel()
        await self._idle.wait()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._is_busy or not self._waiting:
            return
        self._is_busy = True
        self._alarm = self._loop.call_later(self._late_after, self._late)
        batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
        self._handed, self._is_flush = batch, False
        try:
            self._choose_flush(batch)
            before = self._connection.total_changes
            self._connection.execute("BEGIN IMMEDIATE")
            results = self._perform(self._connection, [operation.asked for operation in batch])
            self._is_flush = self._flushes and self._connection.total_changes != before
        except Exception as error:  # (3): nobody else would tell those who wait; the thread finds out which fails
            if not isinstance(error, sqlite3.Error | OutboxError):
                log.exception("batch_not_written", count=len(batch))
            self._batches.put((batch, None))
        else:
            self._batches.put((batch, results))

    def _choose_flush(self, batch: Sequence[Operation[Asked]]) -> None:
        """Whether the next commit waits for the disk, rule (6); outside of a transaction."""
        lazy = self._lazy
        flushes = lazy is None or not all(lazy.may_wait(operation.asked) for operation in batch)
        if flushes is not self._flushes:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if flushes else 'NORMAL'}")
            self._flushes = flushes
        if not flushes and self._flush is None:
            self._flush = self._loop.call_later(FLUSH_WITHIN, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        if self._lazy is not None and not self._is_closing:  # closing the file flushes it
            self.submit(self._lazy.nothing).add_done_callback(_seen)

    def _late(self) -> None:
        """The disk does not answer: let nobody wait for it any longer. What was handed over may still be written."""
        late = OutboxError(f"the outbox has not answered for {self._late_after:g} s")
        fail((*self._handed, *self._waiting), late)
        self._alarm = self._loop.call_later(self._late_after, self._late)

    def _told(self, batch: Sequence[Operation[Asked]], results: Sequence[object]) -> None:
        self._is_busy = False
        if self._alarm is not None:
            self._alarm.cancel()
        if self._is_flush and self._flush is not None and not any(isinstance(of, OutboxError) for of in results):
            self._flush.cancel()
            self._flush = None
        self._hand_over()
        told = list(zip(batch, results, strict=True))
        if self._damaged is not None and (error := next((of for _, of in told if isinstance(of, DamagedError)), None)):
            self._damaged(self, [one for one, result in told if isinstance(result, DamagedError)], error)
            told = [(one, result) for one, result in told if not isinstance(result, DamagedError)]
        if durable := [operation.asked for operation, result in told if not isinstance(result, OutboxError)]:
            self._loop.call_soon(self._written, durable)
        for operation, result in told:
            operation.tell(result)
        if not self._is_busy:
            self._idle.set()  # last: whoever closes goes on after everybody was told

    def _run(self) -> None:
        while (handed := self._batches.get()) is not None:
            batch, results = handed
            done = self._committed(batch, results)
            with suppress(RuntimeError):  # the loop was closed without closing us: nobody waits any more
                self._loop.call_soon_threadsafe(self._told, batch, done)

    def _committed(self, batch: Sequence[Operation[Asked]], results: Sequence[object] | None) -> Sequence[object]:
        if results is not None:
            with suppress(Exception):  # (3): the thread would end; each operation is done again with care
                self._connection.execute("COMMIT")
                return results
        return [self._one_by_one(operation) for operation in batch]

    def _one_by_one(self, operation: Operation[Asked]) -> object:
        connection = self._connection
        try:
            self._roll_back()
            _wait(connection, PATIENCE)
            connection.execute("BEGIN IMMEDIATE")
            results = self._perform(connection, [operation.asked])
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - (3): the thread would end, and nothing be written any more
            return as_outbox_error(error)
        finally:
            with suppress(sqlite3.Error):  # the next transaction can't begin then, and comes here, too
                self._roll_back()
                _wait(connection, 0.0)
        return results[0]

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _wait(connection: sqlite3.Connection, patience: float) -> None:
    """How long it waits for another process to leave the file from now on, in seconds; the loop waits for nobody."""
    connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")


def _seen(flushed: asyncio.Future[object]) -> None:
    """What can't be flushed now is flushed with the next that needs it, and whoever asks for that hears of it."""
    flushed.cancelled() or flushed.exception()
