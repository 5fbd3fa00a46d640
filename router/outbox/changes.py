"""Rarer changes of the SQLite outbox: what operators decide, what is forgotten, the outbox's own time.

Each is applied inside a transaction of the writer (`statements.Change`), beside what was asked at the same time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

import orjson

from router.outbox import grants
from router.outbox.settlement import LONGEST_DELAY

DeliveryKey: TypeAlias = tuple[int, str]
"""Which delivery: the number of its event, and its destination."""
DECIDED_ROWS = 1000
"""Deliveries that one transaction changes for an operator, for the same reason."""
FORGET_ROWS = 100
"""Events that one transaction removes: others must not wait long for it."""


REPLAYED_ELSEWHERE = "replayed_elsewhere"
"""Why a delivery was given up that goes to another destination now."""
_CHOSEN = "(SELECT value ->> 0 AS sequence, value ->> 1 AS destination FROM json_each(?)) AS chosen"
_OPEN_AND_CHOSEN = """
    deliveries.sequence = chosen.sequence AND deliveries.destination = chosen.destination
        AND state IN ('pending', 'set_aside')
"""
_DUE_NOW = """
    state = 'pending', attempts = 0, first_attempt_at = NULL, settled_at = NULL, reason = '', words = '',
        refusals = 0, refused_at = NULL, kept_since = NULL
"""


def replay(connection: sqlite3.Connection, keys: Sequence[DeliveryKey]) -> int:
    """Make them due; attempts begin anew, so that a delivery that was given up has its whole time again."""
    statement = f"UPDATE deliveries SET {_DUE_NOW} FROM {_CHOSEN} WHERE {_OPEN_AND_CHOSEN}"  # noqa: S608 - of our own
    return connection.execute(statement, (orjson.dumps(keys).decode(),)).rowcount


def deliver_again(connection: sqlite3.Connection, destination: str, sequence: int, now: float) -> int:
    """Make what was delivered due once more, at that own time; what still waits, or was given up, stays as it is."""
    return connection.execute(
        f"UPDATE deliveries SET {_DUE_NOW}, due_at = ? WHERE sequence = ? AND destination = ? AND state = 'delivered'",  # noqa: S608 - of our own
        (now, sequence, destination),
    ).rowcount


def redirect(connection: sqlite3.Connection, keys: Sequence[DeliveryKey], to: str, at: float, now: float) -> int:
    """Make their events due at another destination, and give them up, at that time of day and that own time.

    What that destination has already, or waits for, stays as it is there.
    """
    chosen = orjson.dumps(keys).decode()
    connection.execute(
        "INSERT INTO deliveries (destination, sequence, state, attempts, due_at, reason, urgency, incident)"  # noqa: S608 - of our own
        f" SELECT DISTINCT ?, deliveries.sequence, 'pending', 0, ?, '', urgency, incident FROM deliveries, {_CHOSEN}"
        f" WHERE {_OPEN_AND_CHOSEN} ON CONFLICT (sequence, destination) DO UPDATE SET {_DUE_NOW}"
        " WHERE state IN ('set_aside', 'discarded')",
        (to, now, chosen),
    )
    return connection.execute(
        "UPDATE deliveries SET state = 'discarded', settled_at = ?, kept_since = ?, reason = ?, words = ?"  # noqa: S608 - of our own
        f" FROM {_CHOSEN} WHERE {_OPEN_AND_CHOSEN} AND deliveries.destination <> ?",
        (at, now, REPLAYED_ELSEWHERE, to, chosen, to),
    ).rowcount


def discard(connection: sqlite3.Connection, keys: Sequence[DeliveryKey], at: float, now: float) -> int:
    """Give them up, at that time of day and that own time."""
    return connection.execute(
        f"UPDATE deliveries SET state = 'discarded', settled_at = ?, kept_since = ? FROM {_CHOSEN}"  # noqa: S608 - of our own
        f" WHERE {_OPEN_AND_CHOSEN}",
        (at, now, orjson.dumps(keys).decode()),
    ).rowcount


_FREE = """
    SELECT json_group_array(value) FROM json_each(?) AS events
    WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE sequence = events.value AND state = 'pending')
"""


def forget(connection: sqlite3.Connection, sequences: Sequence[int]) -> int:
    """Remove those of these events for which nobody waits, for one may have been replayed since they were found."""
    free = connection.execute(_FREE, (orjson.dumps(sequences).decode(),)).fetchone()
    connection.execute(
        "DELETE FROM incident_events WHERE event IN"
        " (SELECT id FROM events WHERE sequence IN (SELECT value FROM json_each(?)))",
        free,
    )
    connection.execute("DELETE FROM deliveries WHERE sequence IN (SELECT value FROM json_each(?))", free)
    return connection.execute("DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?))", free).rowcount


def save_time(connection: sqlite3.Connection, now: float, time_of_day: float) -> int:
    """Save the outbox's own time, with the time of day; what is due too far ahead of it is due now.

    Grants that are over are forgotten (`grants`), as it is our own time of day that ends them. Nothing is put off
    further: only a clock that went wrong in an older release, or a file that was taken back from a copy, can have done
    that.
    """
    if not connection.execute("UPDATE own_time SET now = ?, time_of_day = ?", (now, time_of_day)).rowcount:
        connection.execute("INSERT INTO own_time VALUES (?, ?)", (now, time_of_day))
    grants.forget(connection, time_of_day)
    return connection.execute(_TOO_FAR, (now, now + LONGEST_DELAY)).rowcount


_TOO_FAR = "UPDATE deliveries SET due_at = ? WHERE state = 'pending' AND attempts > 0 AND due_at > ?"
