"""What is written to the SQLite outbox, in as few statements as there can be.

Many rows are one statement: inserts name all their values, updates and selections take a list as one JSON text
(SQLite, "JSON Functions": json_each).

Invariant: nothing is remembered from one transaction to the next. The last number is read inside each, so that one
that was rolled back leaves no gap, and another process that appends no surprise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import orjson

from router.outbox.protocol import Accepted, NewEvent, Postponed, Selection, SetAside, Settlement
from router.outbox.queries import OPEN, where

ROWS = 256
"""Rows of one insert."""
FORGET_ROWS = 100
"""Events that one transaction removes: others must not wait long for it."""


@dataclass(frozen=True, slots=True)
class Append:
    """Store an event."""

    event: NewEvent


@dataclass(frozen=True, slots=True)
class Settle:
    """Record what became of deliveries."""

    settlements: Sequence[Settlement]


@dataclass(frozen=True, slots=True)
class Change:
    """Anything rarer; the result is what the function returns."""

    apply: Callable[[sqlite3.Connection], int]


Asked: TypeAlias = Append | Settle | Change


def perform(connection: sqlite3.Connection, asked: Sequence[Asked]) -> Sequence[object]:
    """Write a batch inside a transaction; a result for each, in order: a number for an event, a count for a change."""
    events = [operation.event for operation in asked if isinstance(operation, Append)]
    numbers = iter(_append(connection, events) if events else ())
    settlements = [one for operation in asked if isinstance(operation, Settle) for one in operation.settlements]
    if settlements:
        connection.execute(_SETTLE, (_as_json(settlements),))
    results: list[object] = []
    for operation in asked:
        match operation:
            case Append():
                results.append(next(numbers))
            case Settle():
                results.append(None)
            case Change(apply):
                results.append(apply(connection))
            case _:
                assert_never(operation)
    return results


def _append(connection: sqlite3.Connection, events: Sequence[NewEvent]) -> list[int]:
    ids = orjson.dumps([event.id for event in events]).decode()
    last, found = connection.execute(_KNOWN, (ids,)).fetchone()
    known: dict[str, int] = orjson.loads(found)
    numbers, new = [], []
    for event in events:
        if event.id not in known:
            last += 1
            known[event.id] = last
            new.append((last, event))
        numbers.append(known[event.id])
    if new:
        _insert(connection, "events", 4, [v for n, event in new for v in (n, event.id, event.at, event.body)])
        _insert(connection, "deliveries", 8, [v for n, event in new for v in _deliveries(n, event)])
        connection.execute("UPDATE numbering SET last = ?", (last,))
    return numbers


def _deliveries(sequence: int, event: NewEvent) -> list[object]:
    values: list[object] = []
    for destination in dict.fromkeys(event.destinations):
        if destination in event.delivered_to:
            values += (destination, sequence, "delivered", 1, event.at, event.at, event.at, "")
        else:
            values += (destination, sequence, "pending", 0, event.at, None, None, "")
    return values


def _insert(connection: sqlite3.Connection, table: str, columns: int, values: list[object]) -> None:
    row = f"({','.join('?' * columns)})"
    for start in range(0, len(values), ROWS * columns):
        chunk = values[start : start + ROWS * columns]
        rows = ",".join([row] * (len(chunk) // columns))
        connection.execute(f"INSERT INTO {table} VALUES {rows}", chunk)  # noqa: S608 - names and marks of our own


_KNOWN = """
    SELECT (SELECT last FROM numbering), json_group_object(id, sequence)
    FROM events WHERE id IN (SELECT value FROM json_each(?))
"""

_SETTLE = """
    UPDATE deliveries SET
        state = new.state, attempts = new.attempts, due_at = coalesce(new.due_at, deliveries.due_at),
        first_attempt_at = coalesce(deliveries.first_attempt_at, new.first_attempt_at),
        settled_at = new.settled_at, reason = new.reason
    FROM (
        SELECT value ->> 0 AS destination, value ->> 1 AS sequence, value ->> 2 AS state, value ->> 3 AS attempts,
            value ->> 4 AS due_at, value ->> 5 AS first_attempt_at, value ->> 6 AS settled_at, value ->> 7 AS reason
        FROM json_each(?)
    ) AS new
    WHERE deliveries.destination = new.destination AND deliveries.sequence = new.sequence
        AND deliveries.state = 'pending'
"""


def _text(reason: str) -> str:
    return reason.replace("\0", "\ufffd")  # SQLite ends a text from JSON at its first NUL


def _as_json(settlements: Sequence[Settlement]) -> str:
    rows: list[Sequence[object]] = []
    for one in settlements:
        match one:
            case Accepted(destination, sequence, at, attempts):
                rows.append((destination, sequence, "delivered", attempts, None, at, at, ""))
            case Postponed(destination, sequence, due_at, attempts, first_attempt_at, reason):
                rows.append((destination, sequence, "pending", attempts, due_at, first_attempt_at, None, _text(reason)))
            case SetAside(destination, sequence, at, attempts, reason):
                rows.append((destination, sequence, "set_aside", attempts, None, at, at, _text(reason)))
            case _:
                assert_never(one)
    return orjson.dumps(rows).decode()


_UNHEARD = """
    SELECT json_group_array(json_array(sequence, id)) FROM (
        SELECT sequence, id FROM events
        WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
            SELECT 1 FROM deliveries
            WHERE deliveries.sequence = events.sequence AND (state <> 'pending' OR attempts > 0)
        )
        ORDER BY sequence DESC
    )
"""


def withdraw(connection: sqlite3.Connection, ids: Collection[str], is_claimed: Callable[[int], bool]) -> list[str]:
    """Remove those of these events that nobody can have heard of, the last one first; returns their ids."""
    found = orjson.loads(connection.execute(_UNHEARD, (orjson.dumps(list(ids)).decode(),)).fetchone()[0])
    (last,) = connection.execute("SELECT last FROM numbering").fetchone()
    withdrawn: list[str] = []
    for sequence, event_id in found:
        if sequence != last - len(withdrawn) or is_claimed(sequence):
            break
        withdrawn.append(event_id)
    kept = last - len(withdrawn)
    connection.execute("DELETE FROM deliveries WHERE sequence > ?", (kept,))
    connection.execute("DELETE FROM events WHERE sequence > ?", (kept,))
    connection.execute("UPDATE numbering SET last = ?", (kept,))
    return withdrawn


def replay(connection: sqlite3.Connection, selection: Selection, now: float) -> int:
    """Make them due; attempts begin anew, so that a delivery that was given up has its whole time again."""
    condition, values = where(selection, OPEN)
    done = connection.execute(
        "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = ?, first_attempt_at = NULL,"  # noqa: S608 - conditions of our own
        f" settled_at = NULL, reason = '' WHERE {condition}",
        [now, *values],
    )
    return done.rowcount


def discard(connection: sqlite3.Connection, selection: Selection, now: float) -> int:
    """Give them up."""
    condition, values = where(selection, OPEN)
    done = connection.execute(
        f"UPDATE deliveries SET state = 'discarded', settled_at = ? WHERE {condition}",  # noqa: S608 - conditions of our own
        [now, *values],
    )
    return done.rowcount


_FREE = """
    SELECT json_group_array(value) FROM json_each(?) AS events
    WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE sequence = events.value AND state = 'pending')
"""


def forget(connection: sqlite3.Connection, sequences: Sequence[int]) -> int:
    """Remove those of these events for which nobody waits, for one may have been replayed since they were found."""
    free = connection.execute(_FREE, (orjson.dumps(sequences).decode(),)).fetchone()
    connection.execute("DELETE FROM deliveries WHERE sequence IN (SELECT value FROM json_each(?))", free)
    return connection.execute("DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?))", free).rowcount
