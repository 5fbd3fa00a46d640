"""What happens when a silence or an interval ends that has held something back: nobody is left without a word of it.

Rules:
(1) At the end of a silence every destination from which something was held back gets one summary: of whom, how many
    events, with which verdicts, and what still goes on. It opens nothing: the next event does.
(2) When intervals let telling begin again, each incident that is still open is told to whom it was held back from, as
    `opened` where he was never told; what has ended meanwhile is in a summary.
(3) Summaries are notices: rendered by the kind's own template. They go to whoever something was held back from, and to
    whoever hears of Gatecrier itself; once each.
(4) At the end of a period in which a destination's rate was used up it gets one summary of whom it was not told of.
    The most severe and newest owners are named, all are counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import groupby

import orjson

from router.events import HeldBy, NoticeEvent, Origin, as_json, held_notice
from router.incidents import ledger, silences
from router.incidents.appending import append
from router.incidents.consuming import Consuming
from router.incidents.fairness import has_passed, is_period
from router.incidents.folding import Message, next_state
from router.incidents.ledger import HeldBack
from router.incidents.rules import Rules
from router.incidents.silences import Silence
from router.incidents.telling import Times
from router.verdict import Severity

_SEVERITIES = [severity.value for severity in Severity]
OWNERS_SHOWN = 50
"""Owners that a summary names at most; all are counted."""


class Holding:
    """One transaction's work.

    Args:
        connection: In a transaction, where anything is written.
        rules: What the configuration says.
        times: What time it is.
    """

    def __init__(self, connection: sqlite3.Connection, rules: Rules, times: Times) -> None:
        self._connection = connection
        self._rules = rules
        self._times = times

    def has_ended(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._ended_silences() or self._ended_intervals() or self._passed_periods())

    def end(self) -> int:
        """Do it; returns how many silences and intervals have ended."""
        over, again, passed = self._ended_silences(), self._ended_intervals(), self._passed_periods()
        for silence in over:
            self._summarise(silence.id, silence, ledger.held_back(self._connection, silence.id))
            ledger.release(self._connection, silence.id)
            silences.note_over(self._connection, silence.id)
        for source in again:
            held = ledger.held_back(self._connection, source)
            self._tell_again([one for one in held if one.incident.is_open])
            self._summarise(source, None, [one for one in held if not one.incident.is_open])
            ledger.release(self._connection, source)
        for period in passed:
            self._summarise(period, None, ledger.held_back(self._connection, period))
            ledger.release(self._connection, period)
        return len(over) + len(again) + len(passed)

    def _ended_silences(self) -> Sequence[Silence]:
        known = silences.not_over(self._connection)
        return [silence for silence in known if not silence.is_in_force(self._times.of_day)]

    def _ended_intervals(self) -> Sequence[str]:
        found = [source for source in ledger.held_sources(self._connection) if source.startswith("[")]
        return [source for source in found if not self._is_quiet(source)]

    def _passed_periods(self) -> Sequence[str]:
        found = filter(is_period, ledger.held_sources(self._connection))
        return [period for period in found if has_passed(period, self._times.own)]

    def _is_quiet(self, source: str) -> bool:
        active, mute = orjson.loads(source)
        return self._rules.is_quiet(active, mute, self._times.of_day)

    def _tell_again(self, held: Sequence[HeldBack]) -> None:
        consuming = Consuming(self._connection, self._rules, self._times)
        for one in held:
            incident = ledger.by_number(self._connection, one.incident.number)
            telling = None if incident is None else incident.tellings.get(one.destination)
            if incident is None or telling is None or not incident.is_open:
                continue
            state = next_state(incident, telling, self._times.own)
            if state is not None:
                consuming.send_again(incident, Message(one.destination, state))

    def _summarise(self, source: str, silence: Silence | None, held: Sequence[HeldBack]) -> None:
        for destination, some in groupby(held, key=lambda one: one.destination):
            of_one = list(some)
            event = self._notice(source, silence, destination, of_one)
            of_us = self._rules.routes.of_gatecrier(event["data"], None)
            append(
                self._connection,
                (event["id"], as_json(event)),
                tuple(dict.fromkeys((destination, *of_us))),
                severity=event["data"]["notice"]["severity"],
                template="",
                replica=self._rules.replica,
                at=self._times.of_day,
                now=self._times.own,
            )

    def _notice(self, source: str, silence: Silence | None, destination: str, held: Sequence[HeldBack]) -> NoticeEvent:
        first = sorted(held, key=lambda one: (_SEVERITIES.index(one.incident.severity), -one.incident.last_seen))
        owners = [_line(one) for one in first[:OWNERS_SHOWN]]
        of: HeldBy = "silence" if silence is not None else "rate" if is_period(source) else "interval"
        why = f"the {of} of this destination"
        if silence is not None:
            why = f"the silence {silence.id} of {silence.author} ({silence.reason})"
        return held_notice(
            Origin(held[0].incident.cluster, self._rules.replica),
            source,
            why,
            destination,
            owners=owners,
            incidents=len(held),
            events=sum(one.events for one in held),
            still_open=sum(one.incident.is_open for one in held),
            of=of,
            at=self._times.of_day,
        )


def _line(held: HeldBack) -> str:
    incident = held.incident
    owner = incident.owner
    verdicts = ", ".join(sorted({image.verdict for image in incident.images})) or "no failing image"
    state = "still open" if incident.is_open else "over"
    name = "/".join(filter(None, (incident.namespace, owner["kind"], owner["name"])))
    return f"{name[:200]}: {held.events} events, {verdicts}, {state}"
