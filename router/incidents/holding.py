"""What happens when a silence or an interval ends that has held something back: nobody is left without a word of it.

Rules:
(1) At the end of a silence every destination from which something was held back gets one summary: of whom, how many
    events, with which verdicts, and what still goes on. It opens nothing: the next event does.
(2) When intervals let telling begin again, each incident that is still open is told to whom it was held back from, as
    `opened` where he was never told, where that is still news to him, and within his rate; what has ended meanwhile is
    in a summary. What a silence holds back by then is in its own.
(3) Summaries are notices: rendered by the kind's own template. They go to whoever something was held back from, and to
    whoever hears of Gatecrier itself; once each.
(4) At the end of a period in which a destination's rate was used up it gets one summary of whom it was not told of.
    The most severe and newest owners are named, all are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import orjson

from router.events import HeldBy, NoticeEvent, Origin, held_notice
from router.incidents import ledger, silences, withheld
from router.incidents.consuming import Consuming
from router.incidents.fairness import has_passed, is_period
from router.incidents.silences import Silence
from router.incidents.withheld import HeldBack
from router.incidents.work import IncidentsWork
from router.verdict import Severity

_SEVERITIES = [severity.value for severity in Severity]
OWNERS_SHOWN = 50
"""Owners that a summary names at most; all are counted."""


class Holding:
    """One transaction's work."""

    def __init__(self, work: IncidentsWork) -> None:
        self._work = work
        self._consuming = Consuming(work)

    def has_ended(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._ended_silences() or self._ended_intervals() or self._passed_periods())

    def end(self) -> int:
        """Do it; returns how many silences and intervals have ended."""
        over, again, passed = self._ended_silences(), self._ended_intervals(), self._passed_periods()
        for silence in over:
            self._summarise(silence.id, silence, withheld.held_back(self._work.connection, silence.id))
            withheld.release(self._work.connection, silence.id)
            silences.note_over(self._work.connection, silence.id)
        for source in again:
            held = withheld.held_back(self._work.connection, source)
            for one in held:
                self._consuming.tell_again(one.incident.number, one.destination, one.events)
            self._summarise(source, None, [one for one in held if not one.incident.is_open])
            withheld.release(self._work.connection, source)
        for period in passed:
            self._summarise(period, None, withheld.held_back(self._work.connection, period))
            withheld.release(self._work.connection, period)
        return len(over) + len(again) + len(passed)

    def _ended_silences(self) -> Sequence[Silence]:
        known = silences.not_over(self._work.connection)
        return [silence for silence in known if not silence.is_in_force(self._work.time_of_day)]

    def _ended_intervals(self) -> Sequence[str]:
        found = [source for source in withheld.held_sources(self._work.connection) if source.startswith("[")]
        return [source for source in found if not self._is_quiet(source)]

    def _passed_periods(self) -> Sequence[str]:
        found = filter(is_period, withheld.held_sources(self._work.connection))
        return [period for period in found if has_passed(period, self._work.now)]

    def _is_quiet(self, source: str) -> bool:
        active, mute = orjson.loads(source)
        return self._work.rules.is_quiet(active, mute, self._work.time_of_day)

    def _summarise(self, source: str, silence: Silence | None, held: Sequence[HeldBack]) -> None:
        for destination, some in groupby(held, key=lambda one: one.destination):
            of_one = list(some)
            ledger.append_notice(self._work, self._notice(source, silence, destination, of_one), destination)

    def _notice(self, source: str, silence: Silence | None, destination: str, held: Sequence[HeldBack]) -> NoticeEvent:
        first = sorted(held, key=lambda one: (_SEVERITIES.index(one.incident.severity), -one.incident.last_seen))
        owners = [_line(one) for one in first[:OWNERS_SHOWN]]
        of: HeldBy = "silence" if silence is not None else "rate" if is_period(source) else "interval"
        why = f"the {of} of this destination"
        if silence is not None:
            why = f"the silence {silence.id} of {silence.author} ({silence.reason})"
        return held_notice(
            Origin(held[0].incident.cluster, self._work.rules.replica),
            source,
            why,
            destination,
            owners=owners,
            incidents=len(held),
            events=sum(one.events for one in held),
            still_open=sum(one.incident.is_open for one in held),
            of=of,
            at=self._work.time_of_day,
        )


def _line(held: HeldBack) -> str:
    incident = held.incident
    owner = incident.owner
    verdicts = ", ".join(sorted({image.verdict for image in incident.images})) or "no failing image"
    state = "still open" if incident.is_open else "over"
    name = "/".join(filter(None, (incident.namespace, owner["kind"], owner["name"])))
    return f"{name[:200]}: {held.events} events, {verdicts}, {state}"
