"""Rarer changes of the SQLite outbox: what operators decide, what is forgotten, the outbox's own time.

Each is applied inside a transaction of the writer (`statements.Change`), beside what was asked at the same time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from router.outbox.protocol import LONGEST_DELAY, Selection
from router.outbox.queries import OPEN, where

FORGET_ROWS = 100
"""Events that one transaction removes: others must not wait long for it."""


def replay(connection: sqlite3.Connection, selection: Selection) -> int:
    """Make them due; attempts begin anew, so that a delivery that was given up has its whole time again."""
    condition, values = where(selection, OPEN)
    done = connection.execute(
        "UPDATE deliveries SET state = 'pending', attempts = 0, first_attempt_at = NULL, settled_at = NULL,"  # noqa: S608 - conditions of our own
        f" reason = '', words = '', refusals = 0, refused_at = NULL, kept_since = NULL WHERE {condition}",
        values,
    )
    return done.rowcount


def discard(connection: sqlite3.Connection, selection: Selection, at: float, now: float) -> int:
    """Give them up, at that time of day and that own time."""
    condition, values = where(selection, OPEN)
    done = connection.execute(
        "UPDATE deliveries SET state = 'discarded', settled_at = ?, kept_since = ?"  # noqa: S608 - conditions of our own
        f" WHERE {condition}",
        [at, now, *values],
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


def save_time(connection: sqlite3.Connection, now: float, time_of_day: float) -> int:
    """Save the outbox's own time, with the time of day; what is due too far ahead of it is due now.

    Nothing is put off further: only a clock that went wrong in an older release, or a file that was taken back from a
    copy, can have done that.
    """
    if not connection.execute("UPDATE own_time SET now = ?, time_of_day = ?", (now, time_of_day)).rowcount:
        connection.execute("INSERT INTO own_time VALUES (?, ?)", (now, time_of_day))
    return connection.execute(_TOO_FAR, (now, now + LONGEST_DELAY)).rowcount


_TOO_FAR = "UPDATE deliveries SET due_at = ? WHERE state = 'pending' AND attempts > 0 AND due_at > ?"
