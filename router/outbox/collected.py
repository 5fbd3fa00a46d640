"""Events of other replicas, which are collected here so that incidents are made of all of them in one place.

They stand among the events of this replica, under numbers of their own (`schema`). Nobody is to receive them here:
whoever made them delivers them. They are forgotten like any other, once they have been consumed.

Rules:
(1) One is taken once, whoever sends it how often: an event whose id is there already, and was decided within
    `SAME_WITHIN` seconds of it, is the same (`protocol`, rule 2), also where it is one of this replica's own.
(2) They keep the order in which they came.
(3) What they grant is in force here, too: whoever is asked next, by any replica, finds it here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from router.decision import Grant
from router.outbox import grants
from router.outbox.queries import key, keys


class Collected(NamedTuple):
    """An event of another replica."""

    id: str
    at: float
    """When it was decided, in seconds since 1970."""
    body: bytes
    """The whole, with the sequence number that it has there."""
    incident_routes: str
    """As `NewEvent.incident_routes`."""
    grant: Grant | None = None
    """What it lets in, where it has broken the glass."""
    corrects: str = ""
    """The event that it corrects; empty where it corrects none."""


def collect(connection: sqlite3.Connection, replica: str, events: Iterable[Collected]) -> int:
    """Take these in order, inside a transaction; returns how many were not there."""
    (last,) = connection.execute("SELECT collected FROM incident_progress").fetchone()
    new = list[Collected]()
    for one in events:
        if _is_stored(connection, one):
            continue
        new.append(one)
        connection.execute(
            "INSERT INTO events (sequence, key, appended_at, body, replica, incident_routes) VALUES (?, ?, ?, ?, ?, ?)",
            (last + len(new), key(one.id, one.at), one.at, one.body, replica, one.incident_routes),
        )
    connection.execute("UPDATE incident_progress SET collected = ?", (last + len(new),))
    grants.keep(connection, new)
    return len(new)


def _is_stored(connection: sqlite3.Connection, event: Collected) -> bool:
    known = orjson.dumps(keys(event.id, event.at)).decode()
    found = connection.execute("SELECT 1 FROM events WHERE key IN (SELECT value FROM json_each(?)) LIMIT 1", (known,))
    return found.fetchone() is not None
