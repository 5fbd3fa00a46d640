"""What was held back from destinations, and how far their rates are used up: tables beside the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from router.incidents.incident import Incident, decoded


def hold(connection: sqlite3.Connection, source: str, destination: str, number: int, events: int = 1) -> None:
    """Count events that a silence, an interval or a rate has held back from a destination."""
    connection.execute(
        "INSERT INTO held_back VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET events = events + ?4",
        (source, destination, number, events),
    )


def held_sources(connection: sqlite3.Connection) -> Sequence[str]:
    """Silences, intervals and periods that hold anything back."""
    return [source for (source,) in connection.execute(_SOURCES)]


_SOURCES = """
    WITH RECURSIVE sources(source) AS (
        SELECT min(source) FROM held_back
        UNION ALL
        SELECT (SELECT min(source) FROM held_back WHERE source > sources.source) FROM sources WHERE source IS NOT NULL
    )
    SELECT source FROM sources WHERE source IS NOT NULL
"""
"""One look into the index for each of them, however much they hold back."""


def sent(connection: sqlite3.Connection, destination: str, period: str, namespace: str) -> tuple[int, int]:
    """(messages about this namespace, about others) that a destination was sent in a period."""
    own, every = connection.execute(
        "SELECT coalesce(sum(iif(namespace = ?, messages, 0)), 0), coalesce(sum(messages), 0) FROM sent_messages"
        " WHERE destination = ? AND period = ?",
        (namespace, destination, period),
    ).fetchone()
    return int(own), int(every) - int(own)


def note_sent(connection: sqlite3.Connection, destination: str, period: str, namespace: str) -> None:
    """Count a message; those of other periods count no more."""
    connection.execute("DELETE FROM sent_messages WHERE destination = ? AND period <> ?", (destination, period))
    connection.execute(
        "INSERT INTO sent_messages VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET messages = messages + 1",
        (destination, period, namespace),
    )


class HeldBack(NamedTuple):
    """What was held back from one destination."""

    destination: str
    incident: Incident
    events: int


def held_back(connection: sqlite3.Connection, source: str) -> Sequence[HeldBack]:
    """What a silence, an interval or a period holds back."""
    found = connection.execute(
        "SELECT destination, body, events FROM held_back JOIN incidents ON number = incident WHERE source = ?"
        " ORDER BY destination, number",
        (source,),
    )
    return [HeldBack(destination, decoded(body), events) for destination, body, events in found]


def release(connection: sqlite3.Connection, source: str) -> int:
    """Nothing is held back by it any more."""
    return connection.execute("DELETE FROM held_back WHERE source = ?", (source,)).rowcount
