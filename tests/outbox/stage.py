"""What the tests of the outbox share: events, a file that another program holds, a connection with an accident."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from router.outbox import DeliverySelection, NewEvent, Number, Records
from router.outbox.sqlite import SqliteOutbox
from router.outbox.writer import Writer

NOW = 1_790_000_000.0
ME, REPLICA = "owner-1", "replica-1"
BODY = b'{"id":"x","data":{"a":"\xc3\xa4"}}'


def new(event_id: str, *destinations: str, at: float = NOW, body: bytes = BODY) -> NewEvent:
    """An event, for `slack` unless others are named."""
    return NewEvent(event_id, body, at, destinations or ("slack",))


def sequences(numbers: Sequence[Number]) -> list[int]:
    """The second halves of these."""
    return [number.sequence for number in numbers]


async def stored(records: Records) -> list[tuple[int, str]]:
    """Number and id of every event with a delivery, by number."""
    rows = await records.deliveries(DeliverySelection(), 100_000)
    return sorted({(row.number.sequence, row.event_id) for row in rows})


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now


class Accident:
    """A connection that runs `before` ahead of every statement that begins with one of these words."""

    def __init__(self, connection: sqlite3.Connection, words: Sequence[str], before: Callable[[], None]) -> None:
        self.connection, self.words, self.before = connection, tuple(words), before

    @property
    def in_transaction(self) -> bool:
        """As the connection says."""
        return self.connection.in_transaction

    @property
    def total_changes(self) -> int:
        """As the connection says."""
        return self.connection.total_changes

    def execute(self, statement: str, *values: object) -> object:
        """Have the accident, then run it."""
        if statement.startswith(self.words):
            self.before()
        return self.connection.execute(statement, *values)  # type: ignore[arg-type] # passed on as it came

    def executemany(self, statement: str, rows: Sequence[Sequence[object]]) -> object:
        """Run it, without an accident."""
        return self.connection.executemany(statement, rows)


def writing(outbox: SqliteOutbox) -> sqlite3.Connection:
    """The connection on which the outbox writes."""
    return outbox._file._opened.connections[2]


def injure(writer: Writer[object] | object, words: Sequence[str], before: Callable[[], None]) -> None:
    """Have an accident before these statements of a writer, or of an outbox's writer."""
    mine = writer._file._opened.writer if isinstance(writer, SqliteOutbox) else cast("Writer[object]", writer)
    mine._connection = cast("sqlite3.Connection", Accident(mine._connection, words, before))


class Once:
    """Raises an error the first `times` times."""

    def __init__(self, error: Exception, times: int = 1) -> None:
        self.error, self.times = error, times

    def __call__(self) -> None:
        """Raise, or not any more."""
        self.times -= 1
        if self.times >= 0:
            raise self.error


class Holder:
    """Another program that holds the file."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        """End the transaction and the connection."""
        self.connection.execute("ROLLBACK")
        self.connection.close()
