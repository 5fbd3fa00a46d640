"""Whether a destination is told now, and the message that tells it: the second half of one transaction's work.

Order, for an event and one of its routes: a silence holds back, then an interval, then the destination's rate; what
none of them holds is appended. What is held back is counted for the destination, and kept until whatever holds it back
ends (`holding`). What had to wait goes through the same: news that were put off, and what an interval held back; a
silence holds that back if it would hold back every event that is waited for (`Telling.news`). Only the end of an
incident is told whatever holds back, to whoever was told of it, and what was let in by break-glass.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.events import decode
from router.incidents import ledger, silences, withheld
from router.incidents.facts import EventFacts
from router.incidents.fairness import may_tell, period_of
from router.incidents.folding import DueMessage, next_state, put_off, resend_due, suppress, tell, told
from router.incidents.incident import Incident, Telling
from router.incidents.messages import message
from router.incidents.silences import Silence
from router.incidents.work import IncidentsWork
from router.outbox.changes import deliver_again
from router.routing import IncidentRoute


class Teller:
    """Tells; as `router.incidents.consuming.Consuming`, of one transaction."""

    def __init__(self, work: IncidentsWork) -> None:
        self._work = work
        self._silences: Sequence[Silence] | None = None

    def tell(
        self, incident: Incident, route: IncidentRoute, one: EventFacts, body: bytes, silence: Silence | None
    ) -> None:
        """Tell the route's destination of an event that was just taken into an incident, or hold that back."""
        source = _held_by(incident, silence, self._interval(route))
        said = tell(incident, route, one, self._work.now, is_held=source is not None)
        if said is not None:
            severity = route.severity or one.data["decision"]["severity"]
            must = self._work.rules.must_be_heard(one.data, severity)
            source = self._beyond_rate(said.destination, one.data["request"]["namespace"], must_be_heard=must)
        if said is not None and source is None:
            self.send(incident, said, body)
            return
        telling = incident.tellings[route.destination]
        if said is not None:
            suppress(telling)
        if source is not None:
            withheld.hold(self._work.connection, source, route.destination, incident.number)
        if silence is None and (source is not None or telling.due is not None):
            put_off(telling, one)

    def silence_of(self, one: EventFacts) -> Silence | None:
        """The silence that holds this event back; counts it there, and notes every other that matches it."""
        work = self._work
        matching = work.rules.matching(one.data, self._in_force())
        held_by = work.rules.silenced_by(one.data, matching)
        for silence in matching:
            silences.note_matched(work.connection, silence.id, work.time_of_day, is_held=silence is held_by)
        return held_by

    def tell_what_waited(self, incident: Incident) -> None:
        """News whose time has come; what holds them back by then has them told later, or in its summary."""
        now = self._work.now
        for name, telling in incident.tellings.items():
            if telling.due is None or telling.due > now:
                continue
            telling.due = None
            is_news = next_state(incident, telling, now) == "changed"
            if is_news and not self._is_told_now(incident, DueMessage(name, "changed"), 1, self._interval(telling)):
                suppress(telling)

    def resend(self, incident: Incident) -> None:
        """Have destinations that keep nothing be told once more of what they were told last, if its time has come.

        The same message is delivered again: it is no news, is told nobody else, and nothing of it is counted. What a
        destination has not taken yet is on its way anyway.
        """
        for name, telling in incident.tellings.items():
            if incident.is_open and resend_due(telling, self._work.rules.resend_every.get(name)) <= self._work.now:
                deliver_again(self._work.connection, name, telling.message, self._work.now)
                self._work.due.add(name)
                telling.repeated_at = self._work.now

    def tell_again(self, incident: Incident, said: DueMessage, events: int) -> None:
        """Tell of so many events that an interval has held back until now, unless something else holds them back.

        Other intervals do not: routes of other events have them.
        """
        self._is_told_now(incident, said, events, None)

    def send(self, incident: Incident, said: DueMessage, body: bytes | None) -> None:
        """Append a message; `body` is the event that made it, None where that is gone."""
        told(incident, said, self._work.now)
        telling = incident.tellings[said.destination]
        links = self._work.rules.settings.links
        self._work.due.add(said.destination)
        telling.message = ledger.append(
            self._work.connection,
            message(incident, said.state, said.destination, links, body, self._work.time_of_day),
            (said.destination,),
            severity=telling.severity,
            template=telling.template,
            replica=self._work.rules.replica,
            at=self._work.time_of_day,
            now=self._work.now,
            incident=incident.number,
        )

    def _is_told_now(self, incident: Incident, said: DueMessage, events: int, interval: str | None) -> bool:
        """Send a message about so many events that had to wait; whatever holds it back counts them."""
        telling = incident.tellings[said.destination]
        body, silence = self._waited(incident, telling)
        source = _held_by(incident, silence, interval)
        if source is None:
            must = self._work.rules.must_be_heard({} if body is None else decode(body)["data"], telling.severity)
            source = self._beyond_rate(said.destination, incident.namespace, must_be_heard=must)
        if source is None:
            self.send(incident, said, body)
        else:
            withheld.hold(self._work.connection, source, said.destination, incident.number, events)
        return source is None

    def _waited(self, incident: Incident, telling: Telling) -> tuple[bytes | None, Silence | None]:
        """The newest event of what had to wait that no silence holds back; else the newest, and its silence."""
        newest: tuple[bytes | None, Silence | None] = None, None
        for number in reversed(telling.news or [incident.last_event]):
            if (body := ledger.event_body(self._work.connection, number)) is None:
                continue
            if (silence := self._silence_of(body)) is None:
                return body, None
            newest = (body, silence) if newest[0] is None else newest
        return newest

    def _silence_of(self, body: bytes) -> Silence | None:
        """The silence that would hold this event back now."""
        return self._work.rules.silenced_by(decode(body)["data"], self._in_force())

    def _in_force(self) -> Sequence[Silence]:
        if self._silences is None:
            found = silences.not_over(self._work.connection)
            self._silences = [silence for silence in found if silence.is_in_force(self._work.time_of_day)]
        return self._silences

    def _interval(self, of: IncidentRoute | Telling) -> str | None:
        """What holds this route back now, or what its destination is told."""
        is_quiet = self._work.rules.is_quiet(of.active, of.mute, self._work.time_of_day)
        return silences.interval(of.active, of.mute) if is_quiet else None

    def _beyond_rate(self, destination: str, namespace: str, *, must_be_heard: bool) -> str | None:
        """The period in which a destination may not be told any more, of this namespace; counts what it is told."""
        rate = self._work.rules.rates.get(destination)
        if rate is None:
            return None
        period = period_of(rate, self._work.now)
        own, others = withheld.sent(self._work.connection, destination, period, namespace)
        if not must_be_heard and not may_tell(rate, own, others):
            return period
        withheld.note_sent(self._work.connection, destination, period, namespace)
        return None


def _held_by(incident: Incident, silence: Silence | None, interval: str | None) -> str | None:
    """What holds back what is told of it, whatever a rate says."""
    if incident.must_be_heard:
        return None
    return interval if silence is None else silence.id
