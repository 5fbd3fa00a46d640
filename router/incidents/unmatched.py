"""Tells of silences that have matched nothing for a week: whoever hears of Gatecrier itself, and the log; once each.

What is told is noted in the same transaction, also where nobody hears of it.
"""

from __future__ import annotations

import sqlite3

from router.events import Origin, as_json, unmatched_notice
from router.incidents import silences
from router.incidents.appending import append
from router.incidents.rules import Rules
from router.incidents.telling import Times
from router.telemetry.logs import logger

log = logger()


def tell_of_unmatched(connection: sqlite3.Connection, rules: Rules, times: Times) -> int:
    """Tell of them, inside a transaction; returns how many there were."""
    found = silences.unmatched(connection, times.of_day)
    for silence in found:
        event = unmatched_notice(
            Origin(rules.cluster, rules.replica),
            silence.id,
            f"{silence.author} ({silence.reason})",
            silence.matchers,
            since=silence.unmatched_since,
            ends=silence.ends_at,
            at=times.of_day,
        )
        if told := rules.routes.of_gatecrier(event["data"], None):
            append(
                connection,
                (event["id"], as_json(event)),
                told,
                severity=event["data"]["notice"]["severity"],
                template="",
                replica=rules.replica,
                at=times.of_day,
                now=times.own,
            )
        silences.note_unmatched_told(connection, silence)
        log.warning("silence_unmatched", silence=silence.id, author=silence.author, matchers=silence.matchers)
    return len(found)
