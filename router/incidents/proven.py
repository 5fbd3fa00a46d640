"""Which images were verified by which rules, and when: what is known of an image before it fails, within bounds.

Invariants: as of `router.incidents.ledger`, whose file and transaction this shares. Each namespace has room of its own:
beyond it the oldest of that namespace is forgotten, and of no other. Whoever asks is told what any namespace has shown.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from functools import lru_cache

from router.incidents.facts import key
from router.incidents.images import WITHIN

LIMIT = 2000
"""Names of one namespace: an image by its tag has two."""


@lru_cache(maxsize=1024)
def remembered(cluster: str, names: tuple[str, ...], judged_by: str) -> tuple[bytes, ...]:
    """By what it is remembered that some rules verified an image: of one length, whatever others have written."""
    return tuple(hashlib.sha256(key(cluster, name, judged_by).encode()).digest()[:16] for name in names)


class Proven:
    """What is known in one transaction; each name is read once and written once, however many events show it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._noted: dict[bytes, dict[str, float]] = {}
        self._stored: dict[bytes, dict[str, float]] = {}
        """As far as was asked, without what was noted since."""

    def note(self, namespace: str, names: Iterable[bytes], at: float) -> None:
        """These were verified at that time of day, and an event of that namespace has shown it."""
        for name in names:
            noted = self._noted.setdefault(name, {})
            noted[namespace] = max(at, noted.get(namespace, at))

    def was_proven(self, name: bytes, at: float) -> bool:
        """Whether a namespace shows that this was verified last within the hour before that time of day."""
        if name not in self._stored:
            self._stored[name] = dict(self._connection.execute(_STORED, (name,)))
        stored, noted = self._stored[name], self._noted.get(name, {})
        known = stored | {namespace: max(last, stored.get(namespace, last)) for namespace, last in noted.items()}
        return any(at - WITHIN <= last <= at for last in known.values())

    def flush(self) -> None:
        """Write what was noted."""
        rows = [(name, namespace, at) for name, noted in self._noted.items() for namespace, at in noted.items()]
        self._noted.clear()
        if rows and self._connection.executemany(_LATER, rows).rowcount < len(rows):
            self._connection.executemany("INSERT OR IGNORE INTO proven_images VALUES (?, ?, ?)", rows)
            namespaces = {namespace for _, namespace, _ in rows}
            self._connection.executemany(_TRIM, [(namespace, LIMIT) for namespace in sorted(namespaces)])


_STORED = "SELECT namespace, proven_at FROM proven_images WHERE name = ?"
_LATER = "UPDATE proven_images SET proven_at = max(proven_at, ?3) WHERE name = ?1 AND namespace = ?2"
_TRIM = """
    DELETE FROM proven_images WHERE namespace = ?1 AND name IN (
        SELECT name FROM proven_images WHERE namespace = ?1 ORDER BY proven_at DESC, name LIMIT -1 OFFSET ?2)
"""


def forget(connection: sqlite3.Connection, now: float) -> int:
    """Remove what blames nothing any more at that time of day, however late an event comes; returns how many."""
    return connection.execute("DELETE FROM proven_images WHERE proven_at < ?", (now - 2 * WITHIN,)).rowcount
