"""What commands ask of incidents: reads only, beside whoever writes. Times in what is returned are RFC 3339.

Every function takes a connection to the outbox's file, so that it runs inside `SqliteFile.read` as any other query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from router.incidents.incident import Incident, decoded

NUMBER_DIGITS = 18
"""Digits from which on a text is no number of an incident."""
_COLUMNS = "SELECT body FROM incidents"


@dataclass(frozen=True, slots=True)
class HeldMessages:
    """What is held back from one destination."""

    destination: str
    incident: str
    """Id of the incident."""
    events: int


def incidents(
    connection: sqlite3.Connection,
    limit: int,
    namespace: str | None,
    only: bool | None,  # noqa: FBT001 - passed on by position to another thread
    event: str | None = None,
) -> Sequence[Incident]:
    """Incidents, newest first; `only` is True for open ones, False for ended ones, None for both.

    With `event`, those that have counted the event of this id.
    """
    conditions, values = list[str](), list[object]()
    if event is not None:
        conditions.append("number IN (SELECT incident FROM incident_events WHERE event = ?)")
        values.append(event)
    if namespace is not None:
        conditions.append("namespace = ?")
        values.append(namespace)
    if only is not None:
        conditions.append("is_open" if only else "NOT is_open")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return [
        decoded(body)
        for (body,) in connection.execute(f"{_COLUMNS}{where} ORDER BY number DESC LIMIT ?", [*values, limit])
    ]


def incident(connection: sqlite3.Connection, incident_id: str) -> Incident | None:
    """The incident with this id, or with this number; None where there is none."""
    is_number = incident_id.isascii() and incident_id.isdigit() and len(incident_id) < NUMBER_DIGITS
    column = "number" if is_number else "id"
    value = int(incident_id) if is_number else incident_id
    found = connection.execute(f"{_COLUMNS} WHERE {column} = ?", (value,)).fetchone()
    return None if found is None else decoded(found[0])


def events_of(connection: sqlite3.Connection, incident: Incident, limit: int) -> Sequence[str]:
    """Ids of events that it has counted, at most so many."""
    found = connection.execute("SELECT event FROM incident_events WHERE incident = ? LIMIT ?", (incident.number, limit))
    return [event for (event,) in found]


def held_by(connection: sqlite3.Connection, source: str) -> Sequence[HeldMessages]:
    """What a silence (its id) holds back now."""
    found = connection.execute(
        "SELECT destination, id, events FROM held_back JOIN incidents ON number = incident"
        " WHERE source = ? ORDER BY destination, number",
        (source,),
    )
    return [HeldMessages(*row) for row in found]


def consumed(connection: sqlite3.Connection) -> int | None:
    """Number of the last event that incidents were made of; None before the first look."""
    last: int | None = connection.execute("SELECT consumed FROM incident_progress").fetchone()[0]
    return last
