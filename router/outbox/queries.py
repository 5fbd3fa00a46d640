"""What is read from the SQLite outbox, and how an operator's selection becomes a condition.

Readings of many rows come back as one JSON text (SQLite, "JSON Functions": json_group_array): one step of a statement,
not one for each row, each of which gives up Python's global lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from router.events import with_sequence
from router.outbox.protocol import Delivery, DeliveryRow, DeliveryState, Number, Selection, Waiting

OPEN = (DeliveryState.SET_ASIDE, DeliveryState.PENDING)
"""What an operator can still decide about."""
FORGETTABLE_ROWS = 100_000
"""Events that one look for forgettable ones finds at most."""

_DUE = """
    SELECT json_group_array(json_array(sequence, id, due_at, bytes)) FROM (
        SELECT sequence, id, due_at, length(body) AS bytes FROM deliveries JOIN events USING (sequence)
        WHERE destination = ? AND state = 'pending' AND due_at <= ? ORDER BY due_at, sequence LIMIT ?
    )
"""

_WHOLE = """
    SELECT json_group_array(json_array(sequence, replica, id, attempts, first_attempt_at, appended_at, body)) FROM (
        SELECT events.sequence, replica, id, attempts, first_attempt_at, appended_at, CAST(body AS TEXT) AS body
        FROM deliveries JOIN events USING (sequence)
        WHERE destination = ? AND sequence IN (SELECT value FROM json_each(?)) ORDER BY due_at, sequence
    )
"""


class Due(NamedTuple):
    """A pending delivery, as far as it must be known to be chosen."""

    sequence: int
    event_id: str
    due_at: float
    length: int
    """Bytes of the event."""


def due(connection: sqlite3.Connection, destination: str, now: float, limit: int) -> list[Due]:
    """What is due at that time, the longest due first."""
    found = orjson.loads(connection.execute(_DUE, (destination, now, limit)).fetchone()[0])
    return [Due(*one) for one in found]


def whole(connection: sqlite3.Connection, destination: str, sequences: Sequence[int]) -> list[Delivery]:
    """These deliveries with their events."""
    wanted = orjson.dumps(sequences).decode()
    rows = orjson.loads(connection.execute(_WHOLE, (destination, wanted)).fetchone()[0])
    return [
        Delivery(
            destination,
            event_id,
            Number(replica, sequence),
            with_sequence(body.encode(), sequence),
            attempts,
            first,
            at,
        )
        for sequence, replica, event_id, attempts, first, at, body in rows
    ]


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


def forgettable(connection: sqlite3.Connection, before: float) -> list[int]:
    """Numbers of events of before that time for which nobody waits."""
    found: list[int] = orjson.loads(
        connection.execute(
            "SELECT json_group_array(sequence) FROM (SELECT sequence FROM events WHERE appended_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM deliveries WHERE deliveries.sequence = events.sequence AND state = 'pending') LIMIT ?)",
            (before, FORGETTABLE_ROWS),
        ).fetchone()[0]
    )
    return found


def where(selection: Selection, states: Sequence[DeliveryState]) -> tuple[str, list[object]]:
    """The condition for deliveries that are selected and in one of these states, with its values."""
    wanted = [state for state in states if selection.state in (None, state)]
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
    condition, values = where(selection, OPEN if is_open else list(DeliveryState))
    found = connection.execute(
        "SELECT replica, sequence, id, destination, state, attempts, reason, appended_at, due_at, settled_at"  # noqa: S608 - conditions of our own
        f" FROM deliveries JOIN events USING (sequence) WHERE {condition} ORDER BY sequence DESC, destination LIMIT ?",
        [*values, limit],
    ).fetchall()
    return [
        DeliveryRow(
            Number(replica, sequence), event_id, destination, DeliveryState(state), attempts, reason, appended_at,
            due_at if state == DeliveryState.PENDING else None, settled_at,
        )
        for replica, sequence, event_id, destination, state, attempts, reason, appended_at, due_at, settled_at in found
    ]  # fmt: skip
