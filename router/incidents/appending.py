"""Messages of our own, appended to the outbox inside the driver's transaction: from then on they are like any event.

Where one tells of one incident, its deliveries name it, so that its destinations get it after what came before, with
what they answered to that (`router.outbox.protocol`, rule 11).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.outbox.protocol import URGENCY
from router.outbox.queries import key
from router.outbox.schema import MESSAGES_BEGIN
from router.verdict import Severity


def append(  # noqa: PLR0913 - a message has these independent parts
    connection: sqlite3.Connection,
    message: tuple[str, bytes],
    destinations: Sequence[str],
    *,
    severity: str,
    template: str,
    replica: str,
    at: float,
    now: float,
    incident: int | None = None,
) -> None:
    """Append a message; it is rendered, delivered, tried again and replayed like any other event.

    Where it tells of one incident, what waits and goes before it becomes as urgent as it is.
    """
    event_id, body = message
    urgency = URGENCY[Severity(severity)]
    (number,) = connection.execute("UPDATE incident_progress SET messages = messages + 1 RETURNING messages").fetchone()
    sequence = MESSAGES_BEGIN + number
    connection.execute(
        "INSERT INTO events (sequence, key, appended_at, body, replica) VALUES (?, ?, ?, ?, ?)",
        (sequence, key(event_id, at), at, body, replica),
    )
    connection.executemany(
        "INSERT INTO deliveries (destination, sequence, state, attempts, due_at, reason, urgency, template, incident)"
        " VALUES (?, ?, 'pending', 0, ?, '', ?, ?, ?)",
        [(name, sequence, now, urgency, template, incident) for name in destinations],
    )
    connection.executemany(_HURRY, [(urgency, name, incident) for name in destinations if incident is not None])


_HURRY = """
    UPDATE deliveries SET urgency = ?1
    WHERE destination = ?2 AND incident = ?3 AND state = 'pending' AND urgency > ?1
"""
