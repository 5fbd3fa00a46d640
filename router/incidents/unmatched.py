"""Tells of silences that have matched nothing for a week: whoever hears of Gatecrier itself, and the log; once each.

What is told is noted in the same transaction, also where nobody hears of it.
"""

from __future__ import annotations

from router.events import Origin, unmatched_notice
from router.incidents import ledger, silences
from router.incidents.work import IncidentsWork
from router.telemetry.logs import logger

log = logger()


def tell_of_unmatched(work: IncidentsWork) -> int:
    """Tell of them; returns how many there were."""
    connection, rules = work.connection, work.rules
    found = silences.unmatched(connection, work.time_of_day)
    for silence in found:
        event = unmatched_notice(
            Origin(rules.cluster, rules.replica),
            silence.id,
            f"{silence.author} ({silence.reason})",
            silence.matchers,
            since=silence.unmatched_since,
            ends=silence.ends_at,
            at=work.time_of_day,
        )
        ledger.append_notice(work, event)
        silences.note_unmatched_told(connection, silence)
        log.warning("silence_unmatched", silence=silence.id, author=silence.author, matchers=silence.matchers)
    return len(found)
