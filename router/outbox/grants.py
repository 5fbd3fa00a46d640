"""What break-glass lets in, as the SQLite outbox keeps it: written with the event that tells of it, gone with it.

Invariant: a grant is there exactly while its event is stored and nothing corrects that, and until a day after its end
by this outbox's own time of day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from router.decision import Grant

MOST: Final = 50
"""Grants of one namespace that are told, those that end last; people break glass rarely."""
_KEPT = 86400.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Grant).decode


class Granting(Protocol):
    """An event, of this replica or collected of another, as far as it may grant something or end that."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def at(self) -> float:
        """When it was decided, in seconds since 1970."""

    @property
    def corrects(self) -> str:
        """The event that it corrects; empty where it corrects none."""

    @property
    def grant(self) -> Grant | None:
        """What it grants."""


def keep(connection: sqlite3.Connection, events: Sequence[Granting]) -> None:
    """Keep what new events grant, and end what they correct."""
    for event in events:
        if event.corrects:
            connection.execute("DELETE FROM grants WHERE id = ?", (event.corrects,))
        if (grant := event.grant) is not None:
            row = event.id, grant.namespace, grant.until, _encode(grant).decode()
            connection.execute("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?)", row)


def forget(connection: sqlite3.Connection, time_of_day: float) -> None:
    """Remove what ended long before that time of day, our own: what events say is their replicas', and may be wrong."""
    connection.execute("DELETE FROM grants WHERE until < ?", (time_of_day - _KEPT,))


def of_events(connection: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, Grant]:
    """The grants of these events that have one, by their ids."""
    wanted = msgspec.json.encode(ids).decode()
    found = connection.execute("SELECT id, body FROM grants WHERE id IN (SELECT value FROM json_each(?))", (wanted,))
    return {event_id: _decode(body) for event_id, body in found}


def withdraw(connection: sqlite3.Connection, after: int) -> None:
    """End what events after this number have granted."""
    connection.execute("DELETE FROM grants WHERE id IN (SELECT id FROM events WHERE sequence > ?)", (after,))


def in_force(connection: sqlite3.Connection, namespace: str, now: float) -> Sequence[Grant]:
    """The grants of a namespace at that time of day."""
    found = connection.execute(
        "SELECT body FROM grants WHERE namespace = ? AND until > ? ORDER BY until DESC LIMIT ?", (namespace, now, MOST)
    )
    return [_decode(body) for (body,) in found]
