"""Who has watched when, as each replica has told: a table of the outbox's file, by what `watching` makes of beats.

watching   replica (empty for this one), began_at, beat_at, gaps (`watching.Watch`)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from router.readiness.watching import Gap, Watch, together

OWN = ""
"""What this replica is called here: its name may be another tomorrow."""


def watch(connection: sqlite3.Connection) -> Watch | None:
    """What is known of watching, by all replicas that have told of theirs; None before it has begun."""
    return together(list(_watches(connection).values()))


def own_watch(connection: sqlite3.Connection) -> Watch | None:
    """What this replica has watched; None before it has begun."""
    return _watches(connection).get(OWN)


def _watches(connection: sqlite3.Connection) -> Mapping[str, Watch]:
    found = connection.execute("SELECT replica, began_at, beat_at, gaps FROM watching")
    return {
        replica: Watch(began_at, beat_at, tuple(Gap(*gap) for gap in orjson.loads(gaps)))
        for replica, began_at, beat_at, gaps in found
    }


def beat(connection: sqlite3.Connection, now: float, silent: float | None) -> int:
    """Write that we watch; `silent` is how long this process has not, and None where it is the first beat of it."""
    if (known := own_watch(connection)) is None:
        return note_watched(connection, OWN, Watch(now, now))
    return note_watched(connection, OWN, known.beaten(now, abs(now - known.beat_at) if silent is None else silent))


def note_watched(connection: sqlite3.Connection, replica: str, watch: Watch) -> int:
    """Write what a replica has watched."""
    gaps = orjson.dumps(list(map(list, watch.gaps))).decode()
    return connection.execute(
        "INSERT OR REPLACE INTO watching (replica, began_at, beat_at, gaps) VALUES (?, ?, ?, ?)",
        (replica, watch.began_at, watch.beat_at, gaps),
    ).rowcount


def forget(connection: sqlite3.Connection, before: float) -> int:
    """Forget other replicas that have not watched since that time; returns how many."""
    return connection.execute("DELETE FROM watching WHERE beat_at < ? AND replica <> ?", (before, OWN)).rowcount
