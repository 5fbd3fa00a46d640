"""What is written to and read from the SQLite outbox, in as few statements as there can be.

Many rows are one statement: inserts name all their values, updates and selections take a list as one JSON text
(SQLite, "JSON Functions": json_each). Readings of many rows come back as one JSON text, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from router.errors import OutboxError
from router.outbox.protocol import (
    Accepted,
    Delivery,
    DeliveryRow,
    DeliveryState,
    NewEvent,
    Postponed,
    Selection,
    SetAside,
    Settlement,
    Waiting,
)

ROWS = 256
"""Rows of one insert."""
BODY_LIMIT = 8 * 2**20
FORGET_ROWS = 1000
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


@dataclass(slots=True)
class Performing:
    """Writes batches; keeps the number of the last event."""

    last: int

    def __call__(self, connection: sqlite3.Connection, asked: Sequence[Asked]) -> Sequence[object]:
        """Write a batch inside a transaction; a result for each, in order."""
        appends = [operation.event for operation in asked if isinstance(operation, Append)]
        before = self.last
        try:
            numbers = iter(self._append(connection, appends) if appends else ())
            settlements = [one for operation in asked if isinstance(operation, Settle) for one in operation.settlements]
            if settlements:
                connection.execute(_SETTLE, (_as_json(settlements),))
            return [
                next(numbers)
                if isinstance(operation, Append)
                else operation.apply(connection)
                if isinstance(operation, Change)
                else None
                for operation in asked
            ]
        except BaseException:
            self.last = before
            raise

    def forget_unwritten(self, connection: sqlite3.Connection) -> None:
        """After a rollback: the last number is that of the file again."""
        self.last = connection.execute("SELECT last FROM numbering").fetchone()[0]

    def _append(self, connection: sqlite3.Connection, events: Sequence[NewEvent]) -> list[int]:
        for event in events:
            if len(event.body) > BODY_LIMIT:
                raise OutboxError(f"an event of {len(event.body)} bytes; at most {BODY_LIMIT} are kept")
        ids = orjson.dumps([event.id for event in events]).decode()
        known: dict[str, int] = orjson.loads(connection.execute(_KNOWN, (ids,)).fetchone()[0])
        numbers, new = [], []
        for event in events:
            if event.id not in known:
                self.last += 1
                known[event.id] = self.last
                new.append((self.last, event))
            numbers.append(known[event.id])
        _insert(connection, "events", 4, [v for n, event in new for v in (n, event.id, event.at, event.body)])
        _insert(connection, "deliveries", 8, [v for n, event in new for v in _deliveries(n, event)])
        connection.execute("UPDATE numbering SET last = ?", (self.last,))
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
    SELECT json_group_object(id, sequence) FROM events WHERE id IN (SELECT value FROM json_each(?))
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


def _as_json(settlements: Sequence[Settlement]) -> str:
    rows: list[Sequence[object]] = []
    for one in settlements:
        match one:
            case Accepted(destination, sequence, at, attempts):
                rows.append((destination, sequence, "delivered", attempts, None, at, at, ""))
            case Postponed(destination, sequence, due_at, attempts, first_attempt_at, reason):
                rows.append((destination, sequence, "pending", attempts, due_at, first_attempt_at, None, reason))
            case SetAside(destination, sequence, at, attempts, reason):
                rows.append((destination, sequence, "set_aside", attempts, None, at, at, reason))
    return orjson.dumps(rows).decode()


_DUE = """
    SELECT json_group_array(sequence) FROM (
        SELECT sequence FROM deliveries
        WHERE destination = ? AND state = 'pending' AND due_at <= ? ORDER BY due_at, sequence LIMIT ?
    )
"""

_WHOLE = """
    SELECT json_group_array(json_array(sequence, id, attempts, first_attempt_at, appended_at, body)) FROM (
        SELECT events.sequence, id, attempts, first_attempt_at, appended_at, CAST(body AS TEXT) AS body
        FROM deliveries JOIN events USING (sequence)
        WHERE destination = ? AND sequence IN (SELECT value FROM json_each(?)) ORDER BY due_at, sequence
    )
"""


def due(connection: sqlite3.Connection, destination: str, now: float, limit: int) -> list[int]:
    """Numbers of deliveries that are due, the longest due first."""
    found: list[int] = orjson.loads(connection.execute(_DUE, (destination, now, limit)).fetchone()[0])
    return found


def whole(
    connection: sqlite3.Connection, destination: str, sequences: Sequence[int], complete: Callable[[bytes, int], bytes]
) -> list[Delivery]:
    """These deliveries with their events."""
    wanted = orjson.dumps(sequences).decode()
    rows = orjson.loads(connection.execute(_WHOLE, (destination, wanted)).fetchone()[0])
    return [
        Delivery(destination, sequence, event_id, complete(body.encode(), sequence), attempts, first, appended_at)
        for sequence, event_id, attempts, first, appended_at, body in rows
    ]


def next_due(connection: sqlite3.Connection, destination: str, claimed: Sequence[int]) -> float | None:
    """When the next delivery that is not claimed is due."""
    row = connection.execute(
        "SELECT due_at FROM deliveries WHERE destination = ? AND state = 'pending'"
        " AND sequence NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at, sequence LIMIT 1",
        (destination, orjson.dumps(claimed).decode()),
    ).fetchone()
    return None if row is None else float(row[0])


def waiting(connection: sqlite3.Connection) -> dict[str, Waiting]:
    """What waits, by destination."""
    pending = connection.execute(
        "SELECT destination, pending, appended_at FROM"
        " (SELECT destination, count(*) AS pending, min(sequence) AS sequence FROM deliveries"
        " WHERE state = 'pending' GROUP BY destination) JOIN events USING (sequence)"
    ).fetchall()
    aside = dict(
        connection.execute(
            "SELECT destination, count(*) FROM deliveries WHERE state = 'set_aside' GROUP BY destination"
        ).fetchall()
    )
    found = {name: Waiting(count, oldest, aside.pop(name, 0)) for name, count, oldest in pending}
    return found | {name: Waiting(0, None, count) for name, count in aside.items()}


def _where(selection: Selection, states: Sequence[DeliveryState]) -> tuple[str, list[object]]:
    wanted = [selection.state] if selection.state is not None else list(states)
    conditions = ["state IN (SELECT value FROM json_each(?))"]
    values: list[object] = [orjson.dumps(wanted).decode()]
    if selection.destination is not None:
        conditions.append("destination = ?")
        values.append(selection.destination)
    if selection.events:
        conditions.append("sequence IN (SELECT sequence FROM events WHERE id IN (SELECT value FROM json_each(?)))")
        values.append(orjson.dumps(list(selection.events)).decode())
    return " AND ".join(conditions), values


def rows(
    connection: sqlite3.Connection,
    selection: Selection,
    limit: int,
    is_open: bool,  # noqa: FBT001 - passed on by position to another thread
) -> list[DeliveryRow]:
    """What an operator asks for, newest first."""
    where, values = _where(selection, _OPEN if is_open else list(DeliveryState))
    found = connection.execute(
        "SELECT sequence, id, destination, state, attempts, reason, appended_at, due_at, settled_at"  # noqa: S608 - conditions of our own
        f" FROM deliveries JOIN events USING (sequence) WHERE {where} ORDER BY sequence DESC, destination LIMIT ?",
        [*values, limit],
    ).fetchall()
    return [
        DeliveryRow(
            sequence, event_id, destination, DeliveryState(state), attempts, reason, appended_at,
            due_at if state == DeliveryState.PENDING else None, settled_at,
        )
        for sequence, event_id, destination, state, attempts, reason, appended_at, due_at, settled_at in found
    ]  # fmt: skip


_OPEN = (DeliveryState.SET_ASIDE, DeliveryState.PENDING)


def replay(connection: sqlite3.Connection, selection: Selection, now: float) -> int:
    """Make them due; attempts begin anew, so that a delivery that was given up has its whole time again."""
    where, values = _where(selection, _OPEN)
    done = connection.execute(
        "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = ?, first_attempt_at = NULL,"  # noqa: S608 - conditions of our own
        f" settled_at = NULL, reason = '' WHERE {where}",
        [now, *values],
    )
    return done.rowcount


def discard(connection: sqlite3.Connection, selection: Selection, now: float) -> int:
    """Give them up."""
    where, values = _where(selection, _OPEN)
    done = connection.execute(
        f"UPDATE deliveries SET state = 'discarded', settled_at = ? WHERE {where}",  # noqa: S608 - conditions of our own
        [now, *values],
    )
    return done.rowcount


def forget(connection: sqlite3.Connection, before: float) -> int:
    """Remove some of the events of before that time for which nobody waits."""
    found = connection.execute(
        "SELECT json_group_array(sequence) FROM (SELECT sequence FROM events WHERE appended_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE deliveries.sequence = events.sequence AND state = 'pending')"
        " ORDER BY sequence LIMIT ?)",
        (before, FORGET_ROWS),
    ).fetchone()[0]
    connection.execute("DELETE FROM deliveries WHERE sequence IN (SELECT value FROM json_each(?))", (found,))
    return connection.execute(
        "DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?))", (found,)
    ).rowcount
