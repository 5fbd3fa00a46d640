"""Which images were verified by which rules, and when: what is known of an image before it fails, within bounds.

Invariants: as of `router.incidents.ledger`, whose file and transaction this shares. Each namespace has room of its own:
beyond it the oldest of that namespace is forgotten, and of no other. Whoever asks is told what any namespace has shown.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache

from router.incidents.facts import key
from router.incidents.images import WITHIN
from router.incidents.subjects import image_key

LIMIT = 2000
"""Names of one namespace: an image by its tag has two."""


@lru_cache(maxsize=1024)
def name_of(cluster: str, name: str, judged_by: str) -> bytes:
    """By what it is remembered that some rules verified an image: of one length, whatever others have written."""
    return hashlib.sha256(key(cluster, name, judged_by).encode()).digest()[:16]


class Proven:
    """What is known in one transaction; each name is written once, however many events show it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._noted: dict[bytes, dict[str, float]] = {}

    def note(self, namespace: str, names: Iterable[bytes], at: float) -> None:
        """These were verified at that time of day, and an event of that namespace has shown it."""
        for name in names:
            noted = self._noted.setdefault(name, {})
            noted[namespace] = max(at, noted.get(namespace, at))

    def to_blame(self, cluster: str, names: Sequence[str], judged_by: str, at: float) -> str | None:
        """The first of the names of a failing image that is blamed already, or was verified within the hour before."""
        keys = {image_key(cluster, name): name_of(cluster, name, judged_by) for name in names}
        if not self._noted.keys().isdisjoint(keys.values()):
            self.flush()
        marks = ",".join("?" * len(keys))
        found = self._connection.execute(
            f"SELECT name FROM proven_images WHERE name IN ({marks}) AND proven_at BETWEEN ? AND ?"  # noqa: S608 - marks of our own
            f" UNION ALL SELECT subject FROM incidents WHERE subject IN ({marks}) AND is_open",
            (*keys.values(), at - WITHIN, at, *keys),
        )
        known = {one for (one,) in found}
        blamed = (name for name, of in zip(names, keys.items(), strict=True) if not known.isdisjoint(of))
        return next(blamed, None)

    def flush(self) -> None:
        """Write what was noted."""
        rows = [(name, namespace, at) for name, noted in self._noted.items() for namespace, at in noted.items()]
        self._noted.clear()
        if rows and self._connection.executemany("INSERT OR IGNORE INTO proven_images VALUES (?, ?, ?)", rows).rowcount:
            namespaces = {namespace for _, namespace, _ in rows}
            self._connection.executemany(_TRIM, [(namespace, LIMIT) for namespace in sorted(namespaces)])
        self._connection.executemany(_LATER, rows)


_LATER = "UPDATE proven_images SET proven_at = ?3 WHERE name = ?1 AND namespace = ?2 AND proven_at < ?3"
_TRIM = """
    DELETE FROM proven_images WHERE namespace = ?1 AND name IN (
        SELECT name FROM proven_images WHERE namespace = ?1 ORDER BY proven_at DESC, name LIMIT -1 OFFSET ?2)
"""


def forget(connection: sqlite3.Connection, now: float) -> int:
    """Remove what blames nothing any more at that time of day, however late an event comes; returns how many."""
    return connection.execute("DELETE FROM proven_images WHERE proven_at < ?", (now - 2 * WITHIN,)).rowcount
