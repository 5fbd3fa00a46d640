"""What one transaction about incidents works with."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from router.incidents.rules import IncidentRules


@dataclass(frozen=True, slots=True)
class IncidentsWork:
    """A transaction, and what holds in it."""

    connection: sqlite3.Connection
    """Within a transaction where anything is written; whoever began it ends it."""
    rules: IncidentRules
    """What the configuration says."""
    now: float
    """The outbox's own time, which no step of the clock moves."""
    time_of_day: float
    """Seconds since 1970."""
    due: set[str] = field(default_factory=set)
    """Who is told something by it."""
