"""Which images were verified by which rules, and when: what is known of an image before it fails, within bounds.

Invariants: as of `router.incidents.ledger`, whose file and transaction this shares. Each namespace has room of its own:
beyond it the oldest of that namespace is forgotten, and of no other. Whoever asks is told what any namespace has shown.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from router.incidents.facts import key
from router.incidents.images import WITHIN

LIMIT = 2000
"""Names of one namespace: an image by its tag has two."""


def name_of(cluster: str, name: str, judged_by: str) -> bytes:
    """By what it is remembered that some rules verified an image: of one length, whatever others have written."""
    return hashlib.sha256(key(cluster, name, judged_by).encode()).digest()[:16]


def note(connection: sqlite3.Connection, namespace: str, names: Sequence[bytes], at: float) -> None:
    """These were verified at that time of day, and an event of that namespace has shown it."""
    rows = [(name, namespace, at) for name in names]
    is_any_new = connection.executemany("INSERT OR IGNORE INTO proven_images VALUES (?, ?, ?)", rows).rowcount
    connection.executemany(_LATER, rows)
    if is_any_new:
        connection.execute(_TRIM, (namespace, LIMIT))


_LATER = "UPDATE proven_images SET proven_at = ?3 WHERE name = ?1 AND namespace = ?2 AND proven_at < ?3"
_TRIM = """
    DELETE FROM proven_images WHERE namespace = ?1 AND name IN (
        SELECT name FROM proven_images WHERE namespace = ?1 ORDER BY proven_at DESC, name LIMIT -1 OFFSET ?2)
"""


def is_known(connection: sqlite3.Connection, name: bytes, at: float) -> bool:
    """Whether it was verified within the hour before that time of day."""
    found = connection.execute(
        "SELECT 1 FROM proven_images WHERE name = ? AND proven_at BETWEEN ? AND ? LIMIT 1", (name, at - WITHIN, at)
    )
    return found.fetchone() is not None


def forget(connection: sqlite3.Connection, now: float) -> int:
    """Remove what blames nothing any more at that time of day, however late an event comes; returns how many."""
    return connection.execute("DELETE FROM proven_images WHERE proven_at < ?", (now - 2 * WITHIN,)).rowcount
