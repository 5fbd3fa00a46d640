"""What incidents are kept in: tables of the outbox's file, read and written inside the driver's transaction.

Invariant: nothing is remembered from one transaction to the next, so that one that was rolled back leaves nothing, and
a ledger of any size costs no memory and no more time for an event than an empty one: everything is found by an index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import orjson

from router.events import NoticeEvent, as_json
from router.incidents.incident import Incident, decoded, encoded
from router.incidents.work import IncidentsWork
from router.outbox.protocol import URGENCY
from router.outbox.queries import key
from router.outbox.schema import MESSAGES_BEGIN, MESSAGES_END
from router.outbox.stored import LAST
from router.verdict import Severity

OPEN_LIMIT = 1000
"""Open incidents of one namespace at most; beyond it there is one of the namespace itself."""


class Stored(NamedTuple):
    """An event that is to be consumed."""

    sequence: int
    id: str
    at: float
    body: bytes
    routes: str


def begin(connection: sqlite3.Connection) -> int:
    """Consume what is appended from now on, where nobody ever looked before; whether that was so, as 0 or 1."""
    return connection.execute(
        "UPDATE incident_progress SET consumed = (SELECT last FROM numbering) WHERE consumed IS NULL"
    ).rowcount


def unconsumed(connection: sqlite3.Connection, limit: int) -> Sequence[Stored]:
    """The next events, those of this replica in their order, then those collected from others in the order of coming.

    The first look ever begins with what is appended after it.
    """
    if begin(connection):
        return ()
    own = unconsumed_of_own(connection, limit)
    (consumed,) = connection.execute("SELECT collected_consumed FROM incident_progress").fetchone()
    return [*own, *_stored(connection, consumed, MESSAGES_END, limit - len(own))]


def unconsumed_of_own(connection: sqlite3.Connection, limit: int) -> Sequence[Stored]:
    """The next events of this replica, in their order."""
    (consumed,) = connection.execute("SELECT consumed FROM incident_progress").fetchone()
    return _stored(connection, max(consumed, MESSAGES_END), LAST, limit)


def note_offered(connection: sqlite3.Connection, events: Sequence[Stored]) -> None:
    """From now on another replica may know of these, so that they can't be withdrawn any more."""
    connection.execute("UPDATE incident_progress SET offered = max(offered, ?)", (events[-1].sequence,))


def _stored(connection: sqlite3.Connection, after: int, before: int, limit: int) -> Sequence[Stored]:
    found = connection.execute(
        "SELECT sequence, id, appended_at, CAST(body AS BLOB), incident_routes FROM events"
        " WHERE sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?",
        (after, before, limit),
    )
    return [Stored._make(row) for row in found]


def note_consumed(connection: sqlite3.Connection, events: Sequence[Stored]) -> None:
    """These, which came next, were consumed."""
    own = [one.sequence for one in events if one.sequence > MESSAGES_END]
    collected = [one.sequence for one in events if one.sequence < MESSAGES_END]
    connection.execute(
        "UPDATE incident_progress SET consumed = coalesce(?, consumed),"
        " collected_consumed = coalesce(?, collected_consumed)",
        (max(own, default=None), max(collected, default=None)),
    )


def event_body(connection: sqlite3.Connection, sequence: int) -> bytes | None:
    """An event that is still there."""
    found = connection.execute("SELECT CAST(body AS BLOB) FROM events WHERE sequence = ?", (sequence,)).fetchone()
    return None if found is None else bytes(found[0])


def last_ended(connection: sqlite3.Connection, subject: str) -> tuple[Incident, float] | None:
    """The last incident of this subject that has ended, and the own time when it did."""
    found = connection.execute(
        "SELECT body, ended_at FROM incidents WHERE subject = ? AND NOT is_open ORDER BY number DESC LIMIT 1",
        (subject,),
    ).fetchone()
    return None if found is None else (decoded(found[0]), float(found[1]))


def is_full(connection: sqlite3.Connection, namespace: str) -> bool:
    """Whether no more incidents are opened in this namespace."""
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM incidents WHERE namespace = ? AND is_open LIMIT ?)",
        (namespace, OPEN_LIMIT),
    ).fetchone()
    return int(count) >= OPEN_LIMIT


def next_number(connection: sqlite3.Connection) -> int:
    """The number of a new incident."""
    return int(
        connection.execute("UPDATE incident_progress SET incidents = incidents + 1 RETURNING incidents").fetchone()[0]
    )


def save(
    connection: sqlite3.Connection, incident: Incident, subject: str, namespace: str, now: float, due: float | None
) -> None:
    """Write it; `subject` and `namespace` count for a new one only."""
    connection.execute(
        "INSERT INTO incidents (number, id, subject, namespace, is_open, opened_at, ended_at, due_at, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?5, NULL, ?6), ?7, ?8) ON CONFLICT (number) DO UPDATE SET"
        " ended_at = iif(?5, NULL, coalesce(ended_at, ?6)), is_open = ?5, due_at = ?7, body = ?8",
        (incident.number, incident.id, subject, namespace, incident.is_open, now, due, encoded(incident)),
    )
    owners = {finding.owner for finding in incident.findings} if incident.is_open else set[str]()
    known = {owner for (owner,) in connection.execute(_OWNERS, (incident.number,))}
    marks = [(owner, incident.number) for owner in owners - known]
    connection.executemany("INSERT INTO incident_owners VALUES (?, ?)", marks)
    gone = [(owner, incident.number) for owner in known - owners]
    connection.executemany("DELETE FROM incident_owners WHERE owner = ? AND incident = ?", gone)


_OWNERS = "SELECT owner FROM incident_owners WHERE incident = ?"


def with_findings(connection: sqlite3.Connection, owners: Collection[str]) -> Iterable[tuple[str, int]]:
    """Those of these owners that have findings, each with the number of an open incident that they are in."""
    return connection.execute(
        "SELECT owner, incident FROM incident_owners WHERE owner IN (SELECT value FROM json_each(?))", (_list(owners),)
    )


def opened(connection: sqlite3.Connection, numbers: Collection[int]) -> Iterable[tuple[str, float, Incident]]:
    """The open ones of the incidents with these numbers, each with its subject and when it changes without an event."""
    found = connection.execute(
        "SELECT subject, coalesce(due_at, 0), body FROM incidents"
        " WHERE number IN (SELECT value FROM json_each(?)) AND is_open",
        (_list(numbers),),
    )
    return [(subject, due_at, decoded(body)) for subject, due_at, body in found]


def counted(connection: sqlite3.Connection, events: Collection[str]) -> Iterable[tuple[str, int, str]]:
    """Those of these events that were counted, each with the number of an incident that did, and the outcome."""
    return connection.execute(
        "SELECT event, incident, outcome FROM incident_events WHERE event IN (SELECT value FROM json_each(?))",
        (_list(events),),
    )


def _list(values: Collection[str] | Collection[int]) -> str:
    return orjson.dumps(list(values)).decode()


def note_counted(connection: sqlite3.Connection, rows: Iterable[tuple[str, int, str]]) -> None:
    """Note that incidents have counted events, each with its outcome."""
    connection.executemany("INSERT OR REPLACE INTO incident_events VALUES (?, ?, ?)", rows)


def append(  # noqa: PLR0913 - a message has these independent parts
    connection: sqlite3.Connection,
    message: tuple[str, bytes],
    destinations: Sequence[str],
    *,
    severity: str,
    template: str,
    replica: str,
    at: float,
    now: float,
    incident: int | None = None,
) -> int:
    """Append a message, and return its number; it is rendered, delivered, tried again and replayed like any event.

    Where it tells of one incident, what waits and goes before it becomes as urgent as it is.
    """
    event_id, body = message
    urgency = URGENCY[Severity(severity)]
    (number,) = connection.execute("UPDATE incident_progress SET messages = messages + 1 RETURNING messages").fetchone()
    sequence = MESSAGES_BEGIN + int(number)
    connection.execute(
        "INSERT INTO events (sequence, key, appended_at, body, replica) VALUES (?, ?, ?, ?, ?)",
        (sequence, key(event_id, at), at, body, replica),
    )
    connection.executemany(
        "INSERT INTO deliveries (destination, sequence, state, attempts, due_at, reason, urgency, template, incident)"
        " VALUES (?, ?, 'pending', 0, ?, '', ?, ?, ?)",
        [(name, sequence, now, urgency, template, incident) for name in destinations],
    )
    connection.executemany(_HURRY, [(urgency, name, incident) for name in destinations if incident is not None])
    return sequence


def append_notice(work: IncidentsWork, event: NoticeEvent, *concerned: str) -> None:
    """Append what is told of Gatecrier itself, to these and to whoever hears of that; nothing where that is nobody."""
    told = tuple(dict.fromkeys((*concerned, *work.rules.routes.of_gatecrier(event["data"], None))))
    if told:
        work.due.update(told)
        append(
            work.connection,
            (event["id"], as_json(event)),
            told,
            severity=event["data"]["notice"]["severity"],
            template="",
            replica=work.rules.replica,
            at=work.time_of_day,
            now=work.now,
        )


_HURRY = """
    UPDATE deliveries SET urgency = ?1
    WHERE destination = ?2 AND incident = ?3 AND state = 'pending' AND urgency > ?1
"""


def due(connection: sqlite3.Connection, now: float, limit: int) -> Sequence[Incident]:
    """Incidents about which something is to be done by time alone now."""
    found = connection.execute("SELECT body FROM incidents WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, limit))
    return [decoded(body) for (body,) in found]


def next_due(connection: sqlite3.Connection) -> float | None:
    """When the next one does, in own time."""
    found: float | None = connection.execute("SELECT min(due_at) FROM incidents WHERE due_at IS NOT NULL").fetchone()[0]
    return found


def forget(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Remove incidents that ended before that own time, at most so many; returns how many."""
    numbers = connection.execute(
        "SELECT json_group_array(number) FROM (SELECT number FROM incidents"
        " WHERE NOT is_open AND ended_at < ? AND number NOT IN (SELECT incident FROM held_back) LIMIT ?)",
        (before, limit),
    ).fetchone()
    for table in ("incident_events", "incident_receipts"):
        connection.execute(f"DELETE FROM {table} WHERE incident IN (SELECT value FROM json_each(?))", numbers)  # noqa: S608 - of our own
    return connection.execute(
        "DELETE FROM incidents WHERE number IN (SELECT value FROM json_each(?))", numbers
    ).rowcount


def has_unconsumed(connection: sqlite3.Connection) -> float | None:
    """A number where there is anything to consume, or was never looked; else None."""
    found: float | None = connection.execute(
        "SELECT last FROM numbering, incident_progress"
        " WHERE consumed IS NULL OR last > consumed OR collected > collected_consumed"
    ).fetchone()
    return None if found is None else 1.0
