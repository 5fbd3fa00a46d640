"""What is read and written to keep an outbox within its time and its size, inside a transaction where it writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import orjson

from router.outbox.protocol import URGENCY
from router.outbox.queries import CONSUMED
from router.outbox.schema import MESSAGES_END
from router.verdict import Severity

OUTBOX_FULL, DESTINATION_REMOVED = REASONS = "outbox_full", "destination_removed"
"""Why deliveries are set aside here."""
_INFO = URGENCY[Severity.INFO]

_SETTLED = f"""
    SELECT json_group_array(sequence) FROM (
        SELECT sequence FROM events WHERE sequence > ? AND {CONSUMED} AND NOT EXISTS (
            SELECT 1 FROM deliveries
            WHERE deliveries.sequence = events.sequence AND state IN ('pending', 'set_aside')
        ) ORDER BY sequence LIMIT ?
    )
"""  # noqa: S608 - a condition of our own

_GIVEN_UP = f"""
    SELECT json_group_array(sequence) FROM (
        SELECT DISTINCT sequence FROM deliveries AS one
        WHERE state = 'set_aside' AND urgency = ? AND {CONSUMED} AND NOT EXISTS (
            SELECT 1 FROM deliveries WHERE deliveries.sequence = one.sequence AND state = 'pending'
        ) ORDER BY sequence LIMIT ?
    )
"""  # noqa: S608 - a condition of our own

_WAITING = f"""
    SELECT json_group_array(sequence) FROM (
        SELECT DISTINCT sequence FROM deliveries
        WHERE state = 'pending' AND urgency = ? AND {CONSUMED} ORDER BY sequence LIMIT ?
    )
"""  # noqa: S608 - a condition of our own

_UNSEEN = f"""
    SELECT sequence, json_extract(CAST(body AS TEXT), '$.data.decision.severity') = ?2 FROM events
    WHERE sequence > ?1 AND NOT {CONSUMED} ORDER BY sequence LIMIT ?3
"""  # noqa: S608 - a condition of our own

_SET_ASIDE = """
    UPDATE deliveries SET state = 'set_aside', settled_at = ?, kept_since = ?, reason = ?, words = ''
    WHERE state = 'pending' AND sequence IN (SELECT value FROM json_each(?)) AND destination = ?
"""


class Size(NamedTuple):
    """What an outbox takes, in bytes."""

    used: int
    """By what it holds."""
    free: int
    """Of its file, by what was removed."""


class Unseen(NamedTuple):
    """What waits for incidents to be made of it."""

    sequences: Sequence[int]
    """Of events of severity `info`."""
    last: int
    """Up to which number it was looked at."""


def size(connection: sqlite3.Connection) -> Size:
    """What the file takes."""
    page, pages, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Size((pages - free) * page, free * page)


def oldest_settled(connection: sqlite3.Connection, after: int, limit: int) -> list[int]:
    """Numbers beyond that one of events that nobody waits for and that nobody can replay, the oldest first."""
    return _numbers(connection, _SETTLED, after, limit)


def oldest_given_up(connection: sqlite3.Connection, limit: int) -> list[int]:
    """Numbers of `info` events that were set aside and that nobody waits for, the oldest first."""
    return _numbers(connection, _GIVEN_UP, _INFO, limit)


def oldest_waiting(connection: sqlite3.Connection, limit: int) -> list[int]:
    """Numbers of `info` events that somebody waits for, the oldest first."""
    return _numbers(connection, _WAITING, _INFO, limit)


def oldest_unseen(connection: sqlite3.Connection, after: int, limit: int) -> Unseen:
    """Which of our next events beyond that number no incident was made of and are `info`: so many are looked at."""
    found = connection.execute(_UNSEEN, (max(after, MESSAGES_END), Severity.INFO.value, limit)).fetchall()
    return Unseen([sequence for sequence, is_info in found if is_info], found[-1][0] if found else after)


def of_destination(connection: sqlite3.Connection, destination: str, limit: int) -> list[int]:
    """Numbers of events that this destination waits for."""
    return _numbers(
        connection,
        "SELECT json_group_array(sequence) FROM"
        " (SELECT sequence FROM deliveries WHERE destination = ? AND state = 'pending' LIMIT ?)",
        destination,
        limit,
    )


def _numbers(connection: sqlite3.Connection, statement: str, *values: object) -> list[int]:
    found: list[int] = orjson.loads(connection.execute(statement, values).fetchone()[0])
    return found


def give_up(
    connection: sqlite3.Connection,
    sequences: Sequence[int],
    destination: str,
    reason: str,
    at: float,
    now: float,
) -> int:
    """Set aside what waits of these events for a destination; returns how many deliveries.

    Args:
        connection: In a transaction.
        sequences: Numbers of events.
        destination: Whose deliveries.
        reason: A public code.
        at: The time of day, in seconds since 1970.
        now: The outbox's own time.
    """
    numbers = orjson.dumps(sequences).decode()
    return connection.execute(_SET_ASIDE, (at, now, reason, numbers, destination)).rowcount


def waited_for_by(connection: sqlite3.Connection, sequences: Sequence[int]) -> list[str]:
    """The destinations that wait for any of these events."""
    found = connection.execute(
        "SELECT DISTINCT destination FROM deliveries"
        " WHERE sequence IN (SELECT value FROM json_each(?)) AND state = 'pending' ORDER BY destination",
        (orjson.dumps(sequences).decode(),),
    )
    return [name for (name,) in found]


def set_aside_before(connection: sqlite3.Connection, before: float) -> dict[str, int]:
    """How many deliveries of each destination were set aside before that (own) time."""
    return dict(
        connection.execute(
            "SELECT destination, count(*) FROM deliveries"
            " WHERE state = 'set_aside' AND coalesce(kept_since, settled_at) < ? GROUP BY destination",
            (before,),
        ).fetchall()
    )


def set_aside_of(connection: sqlite3.Connection, sequences: Sequence[int]) -> dict[str, int]:
    """How many deliveries of these events are set aside, by destination."""
    return dict(
        connection.execute(
            "SELECT destination, count(*) FROM deliveries"
            " WHERE sequence IN (SELECT value FROM json_each(?)) AND state = 'set_aside' GROUP BY destination",
            (orjson.dumps(sequences).decode(),),
        ).fetchall()
    )


def note_removed(connection: sqlite3.Connection, names: Collection[str], now: float) -> int:
    """Note which destinations are none any more, with the (own) time when that was first seen; forget the others."""
    connection.execute(
        "DELETE FROM removed_destinations WHERE name NOT IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(names)).decode(),),
    )
    rows: Iterable[tuple[str, float]] = ((name, now) for name in names)
    connection.executemany("INSERT OR IGNORE INTO removed_destinations VALUES (?, ?)", rows)
    return len(names)


def removed_before(connection: sqlite3.Connection, before: float) -> list[str]:
    """Destinations of which it was seen before that (own) time that they are none any more."""
    found = connection.execute("SELECT name FROM removed_destinations WHERE since <= ? ORDER BY name", (before,))
    return [name for (name,) in found]


def give_back(connection: sqlite3.Connection, pages: int) -> int:
    """Take so many free pages out of the file (SQLite, "PRAGMA incremental_vacuum"); returns how many are left."""
    for _ in range(pages):  # a statement takes as many as it is stepped through, which is one
        connection.execute("PRAGMA incremental_vacuum(1)")
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def checkpoint(connection: sqlite3.Connection) -> None:
    """Move the log into the file, as far as nobody is in the way: then the file gets smaller."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def can_give_back(connection: sqlite3.Connection) -> bool:
    """Whether the file was made so that it can get smaller."""
    return bool(connection.execute("PRAGMA auto_vacuum").fetchone()[0])
