"""Stored events, as people look for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from router.events import with_sequence
from router.outbox.protocol import Number
from router.outbox.queries import SEQUENCES
from router.outbox.schema import COLLECTED_BEGIN, MESSAGES_END

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

    @property
    def is_collected(self) -> bool:
        """Whether another replica has decided it."""
        return COLLECTED_BEGIN <= self.number.sequence < MESSAGES_END


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which events are meant: those with these ids, else those between two sequences, both exclusive.

    Messages about incidents are found by their ids alone.
    """

    after: int = 0
    before: int = LAST
    ids: Sequence[str] = ()
    is_oldest_first: bool = False


def events(connection: sqlite3.Connection, stretch: Stretch, limit: int) -> list[StoredEvent]:
    """What there is of a stretch, newest first unless it says otherwise; as many as `limit`."""
    condition, values = "sequence > ? AND sequence < ?", list[object]((stretch.after, stretch.before))
    if stretch.ids:
        condition = f"sequence IN ({SEQUENCES.replace('?1', '?')})"
        values = [orjson.dumps(list(stretch.ids)).decode()] * 2
    order = "ASC" if stretch.is_oldest_first else "DESC"
    found = connection.execute(
        f"SELECT replica, sequence, id, appended_at, body FROM events WHERE {condition}"  # noqa: S608 - conditions of our own
        f" ORDER BY sequence {order} LIMIT ?",
        [*values, limit],
    ).fetchall()
    return [
        StoredEvent(Number(replica, sequence), event_id, at, _whole(bytes(body), sequence))
        for replica, sequence, event_id, at, body in found
    ]


def _whole(body: bytes, sequence: int) -> bytes:
    return with_sequence(body, sequence) if sequence > MESSAGES_END else body
