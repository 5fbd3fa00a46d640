"""What an operator asks of the SQLite outbox: a selection of deliveries becomes a condition, and rows come back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from router.outbox.attempt import Attempt
from router.outbox.protocol import URGENCY, DeliveryRow, DeliverySelection, DeliveryState, Number
from router.outbox.queries import SEQUENCES

OPEN = (DeliveryState.SET_ASIDE, DeliveryState.PENDING)
"""What an operator can still decide about."""


def where(selection: DeliverySelection, states: Sequence[DeliveryState]) -> tuple[str, list[object]]:
    """The condition for deliveries that are selected and in one of these states, with its values."""
    wanted = [state for state in states if selection.state in (None, state)]
    conditions = ["state IN (SELECT value FROM json_each(?))"]
    values: list[object] = [orjson.dumps(wanted).decode()]
    if selection.destination is not None:
        conditions.append("destination = ?")
        values.append(selection.destination)
    if selection.events:
        conditions.append(f"sequence IN ({SEQUENCES.replace('?1', '?')})")
        values.append(orjson.dumps(list(selection.events)).decode())
        values.append(orjson.dumps(list(selection.events)).decode())
    return " AND ".join(conditions), values


def selected(
    connection: sqlite3.Connection, selection: DeliverySelection, after: Sequence[object], limit: int
) -> list[tuple[int, str]]:
    """(number, destination) of what an operator can decide about, in that order, beyond a place in it."""
    condition, values = where(selection, OPEN)
    return connection.execute(
        f"SELECT sequence, destination FROM deliveries WHERE {condition} AND (sequence, destination) > (?, ?)"  # noqa: S608 - conditions of our own
        " ORDER BY sequence, destination LIMIT ?",
        [*values, *after, limit],
    ).fetchall()


def knows(connection: sqlite3.Connection, destination: str) -> bool:
    """Whether there is any delivery to it."""
    statement = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE destination = ?)"
    return bool(connection.execute(statement, (destination,)).fetchone()[0])


def rows(
    connection: sqlite3.Connection,
    selection: DeliverySelection,
    limit: int,
    is_open: bool,  # noqa: FBT001 - passed on by position to another thread
) -> list[DeliveryRow]:
    """What an operator asks for, newest first."""
    condition, values = where(selection, OPEN if is_open else list(DeliveryState))
    found = connection.execute(
        "SELECT replica, sequence, id, destination, state, attempts, reason, appended_at,"  # noqa: S608 - conditions of our own
        " due_at + (SELECT time_of_day - now FROM own_time), settled_at, urgency, words, tried"
        f" FROM deliveries JOIN events USING (sequence) WHERE {condition} ORDER BY sequence DESC, destination LIMIT ?",
        [*values, limit],
    ).fetchall()
    severities = tuple(URGENCY)
    return [
        DeliveryRow(
            Number(replica, sequence), event_id, destination, DeliveryState(state), attempts, reason, appended_at,
            due_at if state == DeliveryState.PENDING and attempts else None, settled_at, severities[urgency], words,
            tuple(Attempt(*one) for one in orjson.loads(tried)),
        )
        for replica, sequence, event_id, destination, state, attempts, reason, appended_at, due_at, settled_at, urgency,
        words, tried in found
    ]  # fmt: skip
