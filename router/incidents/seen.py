"""Whose objects are that can have others of their own, where they were seen; each is looked up once in a transaction.

Invariants: as of `router.incidents.ledger`, whose file and transaction this shares. What was seen first stays; of too
many of a namespace the oldest are forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from router.incidents.facts import SeenOwner

LIMIT = 5000
"""Objects of one namespace of which it is known whose they are."""


class SeenControllers:
    """What is known in one transaction; `now` is own time."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._now = now
        self._known: dict[tuple[str, str], SeenOwner | None] = {}

    def owner(self, namespace: str, uid: str) -> SeenOwner | None:
        """Whose an object was when it was seen; None where it was not."""
        if (namespace, uid) not in self._known:
            found = self._connection.execute(
                "SELECT body FROM seen_controllers WHERE namespace = ? AND uid = ?", (namespace, uid)
            ).fetchone()
            self._known[namespace, uid] = None if found is None else _seen(*orjson.loads(found[0]))
        return self._known[namespace, uid]

    def note(self, namespace: str, uid: str, whose: SeenOwner) -> None:
        """Note whose an object is, unless that is known."""
        if self.owner(namespace, uid) is None:
            body = orjson.dumps(list(whose)).decode()
            self._connection.execute(
                "INSERT INTO seen_controllers VALUES (?, ?, ?, ?)", (namespace, uid, body, self._now)
            )
            self._connection.execute(_TRIM, (namespace, LIMIT))
            self._known[namespace, uid] = whose


def _seen(api_version: str, kind: str, name: str, apart: Sequence[str] = ()) -> SeenOwner:
    return SeenOwner(api_version, kind, name, tuple(apart))


_TRIM = """
    DELETE FROM seen_controllers WHERE namespace = ?1
        AND (SELECT count(*) FROM seen_controllers WHERE namespace = ?1) > ?2
        AND uid = (SELECT uid FROM seen_controllers WHERE namespace = ?1 ORDER BY seen_at, uid LIMIT 1)
"""
