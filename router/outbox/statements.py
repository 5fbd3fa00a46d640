"""What is written to the SQLite outbox, in as few statements as there can be.

Many rows are one statement: inserts name all their values, updates and selections take a list as one JSON text
(SQLite, "JSON Functions": json_each).

Invariant: nothing is remembered from one transaction to the next. The last number is read inside each, so that one
that was rolled back leaves no gap. So withdrawals come first in a batch, when what they concern is the last still.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import orjson

from router.errors import OutboxError
from router.outbox.protocol import Accepted, NewEvent, Number, Postponed, Selection, SetAside, Settlement
from router.outbox.queries import OPEN, where

ROWS = 256
"""Rows of one insert."""
FORGET_ROWS = 100
"""Events that one transaction removes: others must not wait long for it."""


@dataclass(frozen=True, slots=True)
class Append:
    """Store an event."""

    event: NewEvent
    replica: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take events back."""

    ids: Collection[str]


@dataclass(frozen=True, slots=True)
class Settle:
    """Record what became of deliveries."""

    settlements: Sequence[Settlement]


@dataclass(frozen=True, slots=True)
class Change:
    """Anything rarer; the result is what the function returns."""

    apply: Callable[[sqlite3.Connection], int]
    makes_due: bool = False
    """Whether deliveries may be due afterwards that were not before."""


Asked: TypeAlias = Append | Withdraw | Settle | Change


def perform(connection: sqlite3.Connection, asked: Sequence[Asked]) -> Sequence[object]:
    """Write a batch inside a transaction; a result for each, in order.

    It is a number for an event, the ids that are gone for a withdrawal, a count for a change, nothing for settlements.
    """
    dropped, gone = _withdraw(connection, asked)
    appends = [one for one in asked if isinstance(one, Append) and one.event.id not in dropped]
    numbers = _append(connection, appends) if appends else {}
    settlements = [one for operation in asked if isinstance(operation, Settle) for one in operation.settlements]
    if settlements:
        connection.execute(_SETTLE, (_as_json(settlements),))
    results: list[object] = []
    for operation in asked:
        match operation:
            case Append(event):
                number = numbers.get(event.id)
                results.append(OutboxError("the event was withdrawn") if number is None else number)
            case Withdraw(ids):
                results.append(gone & frozenset(ids))
            case Settle():
                results.append(None)
            case Change(apply=apply):
                results.append(apply(connection))
            case _:
                assert_never(operation)
    return results


def _append(connection: sqlite3.Connection, appends: Sequence[Append]) -> dict[str, Number]:
    ids = orjson.dumps([one.event.id for one in appends]).decode()
    last, found = connection.execute(_KNOWN, (ids,)).fetchone()
    numbers = {event_id: Number(replica, sequence) for event_id, replica, sequence in orjson.loads(found)}
    new, repeated = list[tuple[int, NewEvent, str]](), list[str]()
    for one in appends:
        if one.event.id in numbers:
            repeated.append(one.event.id)
            continue
        last += 1
        numbers[one.event.id] = Number(one.replica, last)
        new.append((last, one.event, one.replica))
    if new:
        rows = [value for n, event, replica in new for value in (n, event.id, event.at, event.body, replica)]
        _insert(connection, _EVENTS, rows)
        _insert(connection, _DELIVERIES, [value for n, event, _ in new for value in _deliveries(n, event)])
        connection.execute("UPDATE numbering SET last = ?", (last,))
    if repeated:
        connection.execute(_REPEATED, (orjson.dumps(repeated).decode(),))
    return numbers


def _withdraw(connection: sqlite3.Connection, asked: Sequence[Asked]) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """(ids of this batch that need not be appended, all ids asked about of which nothing is stored)."""
    wanted = {one for operation in asked if isinstance(operation, Withdraw) for one in operation.ids}
    if not wanted:
        return frozenset(), frozenset()
    stored = _stored(connection, wanted)
    seen, before, repeated = set[str](), set[str](), set[str]()
    for operation in asked:
        match operation:
            case Append(event):
                if event.id in seen or event.id in stored or event.delivered_to:
                    repeated.add(event.id)
                seen.add(event.id)
            case Withdraw(ids):
                before |= seen.intersection(ids)
            case _:
                pass
    _remove(connection, wanted - (before & repeated))
    kept = _stored(connection, wanted) | (before & repeated)
    return before - repeated, wanted - kept


def _stored(connection: sqlite3.Connection, ids: Collection[str]) -> set[str]:
    found = connection.execute(_KNOWN, (orjson.dumps(list(ids)).decode(),)).fetchone()[1]
    return {event_id for event_id, *_ in orjson.loads(found)}


def _remove(connection: sqlite3.Connection, ids: Collection[str]) -> None:
    """Remove those of these events that nobody relies on, from the last number back to the first that must stay."""
    (last,) = connection.execute("SELECT last FROM numbering").fetchone()
    first = last
    for (sequence,) in connection.execute(_WITHDRAWABLE, (orjson.dumps(list(ids)).decode(),)).fetchall():
        if sequence != first:
            break
        first -= 1
    if first != last:
        connection.execute("DELETE FROM deliveries WHERE sequence > ?", (first,))
        connection.execute("DELETE FROM events WHERE sequence > ?", (first,))
        connection.execute("UPDATE numbering SET last = ?", (first,))


def _deliveries(sequence: int, event: NewEvent) -> list[object]:
    values: list[object] = []
    for destination in dict.fromkeys(event.destinations):
        if destination in event.delivered_to:
            values += (destination, sequence, "delivered", 1, event.at, event.at, event.at, "")
        else:
            values += (destination, sequence, "pending", 0, event.at, None, None, "")
    return values


def _insert(connection: sqlite3.Connection, table: str, values: Sequence[object]) -> None:
    columns = table.count(",") + 1
    row = f"({','.join('?' * columns)})"
    for start in range(0, len(values), ROWS * columns):
        chunk = values[start : start + ROWS * columns]
        rows = ",".join([row] * (len(chunk) // columns))
        connection.execute(f"INSERT INTO {table} VALUES {rows}", chunk)  # noqa: S608 - names and marks of our own


_EVENTS = "events (sequence, id, appended_at, body, replica)"
_DELIVERIES = "deliveries (destination, sequence, state, attempts, due_at, first_attempt_at, settled_at, reason)"

_KNOWN = """
    SELECT (SELECT last FROM numbering), json_group_array(json_array(id, replica, sequence))
    FROM events WHERE id IN (SELECT value FROM json_each(?))
"""

_REPEATED = "UPDATE events SET is_repeated = 1 WHERE id IN (SELECT value FROM json_each(?)) AND NOT is_repeated"

_WITHDRAWABLE = """
    SELECT sequence FROM events WHERE id IN (SELECT value FROM json_each(?)) AND NOT is_repeated AND NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE deliveries.sequence = events.sequence AND (state <> 'pending' OR attempts > 0)
    ) ORDER BY sequence DESC
"""

_SETTLE = """
    UPDATE deliveries SET
        state = new.state, attempts = new.attempts, due_at = coalesce(new.due_at, deliveries.due_at),
        first_attempt_at = coalesce(deliveries.first_attempt_at, new.first_attempt_at),
        settled_at = new.settled_at, reason = new.reason
    FROM (
        SELECT value ->> 0 AS destination, (SELECT sequence FROM events WHERE id = value ->> 1) AS sequence,
            value ->> 2 AS state, value ->> 3 AS attempts, value ->> 4 AS due_at, value ->> 5 AS first_attempt_at,
            value ->> 6 AS settled_at, value ->> 7 AS reason
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
            case Accepted(destination, event_id, at, attempts):
                rows.append((destination, event_id, "delivered", attempts, None, at, at, ""))
            case Postponed(destination, event_id, due_at, attempts, first_attempt_at, reason):
                rows.append((destination, event_id, "pending", attempts, due_at, first_attempt_at, None, _text(reason)))
            case SetAside(destination, event_id, at, attempts, reason):
                rows.append((destination, event_id, "set_aside", attempts, None, at, at, _text(reason)))
            case _:
                assert_never(one)
    return orjson.dumps(rows).decode()


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
