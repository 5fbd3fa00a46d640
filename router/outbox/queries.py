"""What is read from the SQLite outbox.

Readings of many rows come back as one JSON text (SQLite, "JSON Functions": json_group_array): one step of a statement,
not one for each row, each of which gives up Python's global lock. Events come beside it, one behind the other: as part
of a JSON text each of their characters would be written and read once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from router.events import with_sequence
from router.outbox.protocol import (
    HOLDS_UP,
    SAME_WITHIN,
    URGENCY,
    Delivery,
    Number,
    Waiting,
)
from router.outbox.runs import RunsTogether
from router.outbox.schema import MESSAGES_END

FORGETTABLE_ROWS = 100_000
"""Events that one look for forgettable ones finds at most."""

CONSUMED = f"""(
    sequence <= (SELECT coalesce(consumed, 9e15) FROM incident_progress)
    AND (sequence > {MESSAGES_END} OR sequence <= (SELECT collected_consumed FROM incident_progress))
)"""  # noqa: S608 - numbers of our own
"""That `router.incidents` has seen an event: what it has not, is not forgotten."""

PERIOD = SAME_WITHIN
"""Seconds of one period of keys."""

_IN_TURN = f"""(sequence > {MESSAGES_END} OR NOT EXISTS (
    SELECT 1 FROM deliveries AS it JOIN deliveries AS earlier USING (destination, incident)
    WHERE it.sequence = deliveries.sequence AND it.destination = deliveries.destination
        AND earlier.state = 'pending' AND earlier.sequence < it.sequence AND earlier.attempts < {HOLDS_UP}
))"""  # noqa: S608 - numbers of our own
"""That no earlier message about the same incident goes first; a decision is looked at no closer."""

_READY = f"""
    SELECT json_group_array(sequence) FROM (
        SELECT * FROM (
            SELECT sequence FROM json_each(?4) AS gap CROSS JOIN deliveries
            WHERE destination = ?1 AND urgency = ?2 AND state = 'pending' AND attempts = 0
            AND sequence > gap.value ->> 0 AND sequence < gap.value ->> 1 AND {_IN_TURN} LIMIT ?5
        ) UNION ALL SELECT * FROM (
            SELECT sequence FROM deliveries
            WHERE destination = ?1 AND urgency = ?2 AND state = 'pending' AND attempts > 0 AND due_at <= ?3
                AND {_IN_TURN}
            ORDER BY due_at LIMIT ?6
        )
    )
"""  # noqa: S608 - of our own
"""Each gap (JSON array of the numbers before and after it) is one look into the index, in order: a cross join is done
from the left to the right (SQLite, "The SQLite Query Optimizer Overview", clause 7.3)."""

_NEWEST = f"""
    SELECT json_group_array(sequence) FROM (
        SELECT sequence FROM deliveries
        WHERE destination = ? AND urgency = ? AND state = 'pending' AND attempts = 0 AND {_IN_TURN}
        ORDER BY sequence DESC LIMIT ?
    )
"""  # noqa: S608 - of our own

_AGAIN = f"""
    SELECT json_group_array(json_array(coalesce(refused_at, -1), sequence)) FROM (
        SELECT refused_at, sequence FROM deliveries
        WHERE destination = ? AND urgency = ? AND state = 'pending' AND attempts > 0 AND due_at <= ? AND {_IN_TURN}
        ORDER BY due_at LIMIT ?
    )
"""  # noqa: S608 - of our own

_SIZED = """
    SELECT json_group_array(json_array(sequence, id, length(body)))
    FROM events WHERE sequence IN (SELECT value FROM json_each(?))
"""

_WHOLE = """
    SELECT group_concat(CAST(body AS TEXT), ''), json_group_array(json_array(
        deliveries.sequence, replica, id, appended_at, length(CAST(body AS BLOB)),
        attempts, max(0, ?1 - coalesce(first_attempt_at, ?1)), urgency, refusals, ?1 - refused_at, template,
        deliveries.incident, coalesce(receipt, ''), json(iif(told.sequence > deliveries.sequence, 'true', 'false')),
        json(iif(told.sequence = deliveries.sequence, 'true', 'false'))
    )) FROM deliveries JOIN events USING (sequence)
    LEFT JOIN incident_receipts AS told
        ON told.incident = deliveries.incident AND told.destination = deliveries.destination
    WHERE deliveries.destination = ?2 AND deliveries.sequence IN (SELECT value FROM json_each(?3))
"""

_NEXT_DUE = f"""
    SELECT json_group_array(json_array(sequence, due)) FROM (
        SELECT * FROM (
            SELECT sequence, 0 AS due FROM json_each(?3) AS gap CROSS JOIN deliveries
            WHERE destination = ?1 AND urgency = ?2 AND state = 'pending' AND attempts = 0
            AND sequence > gap.value ->> 0 AND sequence < gap.value ->> 1 AND {_IN_TURN} LIMIT 1
        ) UNION ALL SELECT * FROM (
            SELECT sequence, due_at FROM deliveries
            WHERE destination = ?1 AND urgency = ?2 AND state = 'pending' AND attempts > 0 AND {_IN_TURN}
            ORDER BY due_at LIMIT ?4
        )
    )
"""  # noqa: S608 - of our own

SEQUENCES = """
    WITH RECURSIVE periods(period) AS (
        SELECT substr(min(key), 1, 10) FROM events WHERE key >= '~'
        UNION ALL
        SELECT (SELECT substr(min(key), 1, 10) FROM events WHERE key >= substr(period, 1, 9) || '/') FROM periods
        WHERE period IS NOT NULL
    )
    SELECT sequence FROM events WHERE key IN (
        SELECT value FROM json_each(?1)
        UNION ALL SELECT period || value FROM periods JOIN json_each(?1) WHERE period IS NOT NULL
    )
"""
"""Numbers of the events with these ids (one JSON text), whenever they were stored: one look for each period and id."""


def key(event_id: str, at: float, periods: int = 0) -> str:
    """What an event is found by: its id behind the period in which it was decided, or so many periods later.

    Ids are random. An index over all of them would be touched everywhere at once, and to append to a million events
    would cost twice what it costs to append to none; so only the place of the last minutes is touched. Events of before
    version 4 are found by their ids alone, which begin with no `~`.
    """
    return f"~{min(max(int(at // PERIOD) + periods, 0), 0xFFFFFFFF):08x}.{event_id}"


def keys(event_id: str, at: float) -> Sequence[str]:
    """What the same event may have been stored by."""
    return event_id, key(event_id, at, -1), key(event_id, at), key(event_id, at, 1)


class Sized(NamedTuple):
    """A delivery, as far as it must be known to be chosen."""

    sequence: int
    event_id: str
    length: int
    """Bytes of the event."""


def ready(
    connection: sqlite3.Connection, destination: str, urgency: int, now: float, limit: int, held: RunsTogether
) -> list[int]:
    """Numbers of what may be tried at that (own) time and is not held, the oldest first.

    Where more than `limit` are to be tried again, they are those that are due the longest.
    """
    gaps, again = orjson.dumps(held.gaps()).decode(), limit + len(held)
    found: list[int] = _list(connection, _READY, destination, urgency, now, gaps, limit, again)
    return sorted(one for one in found if one not in held)[:limit]


def probes(connection: sqlite3.Connection, destination: str, now: float, limit: int) -> list[int]:
    """What a destination is probed with: first what was never tried, the newest first; then what is due again."""
    ranks = range(len(URGENCY))
    untried: list[int] = [one for rank in ranks for one in _list(connection, _NEWEST, destination, rank, limit)]
    again = [one for rank in ranks for one in _list(connection, _AGAIN, destination, rank, now, limit)]
    return [*sorted(untried, reverse=True), *(sequence for _, sequence in sorted(again, key=lambda one: one[0]))]


def next_due(connection: sqlite3.Connection, destination: str, held: RunsTogether) -> list[tuple[int, float]]:
    """(number, own time when it is due; 0 where it was never tried), the first of every urgency that is not held.

    Held ones that are to be tried again are among them.
    """
    gaps, again = orjson.dumps(held.gaps()).decode(), len(held) + 1
    return [
        (sequence, due_at)
        for rank in range(len(URGENCY))
        for sequence, due_at in _list(connection, _NEXT_DUE, destination, rank, gaps, again)
    ]


def sized(connection: sqlite3.Connection, sequences: Sequence[int]) -> list[Sized]:
    """These events, in this order, those that are there."""
    found = {one[0]: Sized(*one) for one in _list(connection, _SIZED, orjson.dumps(sequences).decode())}
    return [found[sequence] for sequence in sequences if sequence in found]


def whole(connection: sqlite3.Connection, destination: str, sequences: Sequence[int], now: float) -> list[Delivery]:
    """These deliveries with their events, at that (own) time."""
    joined, rows = connection.execute(_WHOLE, (now, destination, orjson.dumps(sequences).decode())).fetchone()
    bodies = memoryview((joined or "").encode())
    severities, found, end = tuple(URGENCY), list[Delivery](), 0
    for (
        sequence, replica, event_id, at, length, attempts, tried_for, urgency, refusals, refused_for, template,
        incident, receipt, is_late, is_again,
    ) in orjson.loads(rows):  # fmt: skip
        begin, end = end, end + length
        body = bytes(bodies[begin:end])
        found.append(
            Delivery(
                destination,
                event_id,
                Number(replica, sequence),
                with_sequence(body, sequence) if sequence > 0 else body,  # messages have none
                attempts,
                tried_for,
                at,
                severities[urgency],
                refusals,
                refused_for,
                template,
                incident,
                receipt,
                is_late,
                is_again,
            )
        )
    return found


def _list(connection: sqlite3.Connection, statement: str, *values: object) -> list[Any]:
    found: list[Any] = orjson.loads(connection.execute(statement, values).fetchone()[0])
    return found


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


def forgettable(connection: sqlite3.Connection, before: float, before_aside: float | None = None) -> list[int]:
    """Numbers of events for which nobody waits, and nobody has since before that (own) time.

    What was set aside must be so since before `before_aside`, where that is given.
    """
    found: list[int] = orjson.loads(
        connection.execute(
            "SELECT json_group_array(sequence) FROM (SELECT sequence FROM events WHERE appended_at < ?1"  # noqa: S608 - of our own
            f" AND {CONSUMED} AND NOT EXISTS"
            " (SELECT 1 FROM deliveries WHERE deliveries.sequence = events.sequence"
            " AND (state = 'pending' OR coalesce(kept_since, settled_at) >= iif(state = 'set_aside', ?3, ?1)))"
            " LIMIT ?2)",
            (before, FORGETTABLE_ROWS, before if before_aside is None else before_aside),
        ).fetchone()[0]
    )
    return found
