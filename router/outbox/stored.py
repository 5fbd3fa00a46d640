"""Stored events, as people look for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from router.events import with_sequence
from router.outbox.protocol import Number
from router.outbox.queries import SEQUENCES

LAST = 2**62
"""A sequence that no event has."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that is there."""

    number: Number
    id: str
    at: float
    """When it was decided, in seconds since 1970."""
    body: bytes
    """The whole event, with its sequence number."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which events are meant: those between two sequences, both exclusive; and only these ids, where there are some."""

    after: int = 0
    before: int = LAST
    ids: Sequence[str] = ()
    is_oldest_first: bool = False


def events(connection: sqlite3.Connection, stretch: Stretch, limit: int) -> list[StoredEvent]:
    """What there is of a stretch, newest first unless it says otherwise; as many as `limit`."""
    condition, values = "sequence > ? AND sequence < ?", [stretch.after, stretch.before]
    texts: list[object] = []
    if stretch.ids:
        condition += f" AND sequence IN ({SEQUENCES.replace('?1', '?')})"
        texts = [orjson.dumps(list(stretch.ids)).decode()] * 2
    order = "ASC" if stretch.is_oldest_first else "DESC"
    found = connection.execute(
        f"SELECT replica, sequence, id, appended_at, body FROM events WHERE {condition}"  # noqa: S608 - conditions of our own
        f" ORDER BY sequence {order} LIMIT ?",
        [*values, *texts, limit],
    ).fetchall()
    return [
        StoredEvent(Number(replica, sequence), event_id, at, with_sequence(bytes(body), sequence))
        for replica, sequence, event_id, at, body in found
    ]
