"""Consumes stored events, and lets time pass: incidents are opened, told and ended in the transaction that does so.

Order, for the events of one transaction: all are read, by their numbers, and what each shows of an object that can have
others (`seen`), and of what exemptions let in (`exempt`), is noted; then the ledger is asked once about all of them.
Then, for each, by its number:
(1) Which images it shows to be proven is noted, after it is known which of those that fail in it were (`images`).
(2) Where routes took it: each incident that it belongs to is found or opened, counts it, takes what fails in it, and
    each destination is told, or what it would be told is held back by a silence or an interval.
(3) Whatever it is: findings that it shows to be over are taken away, and incidents without findings end.
(4) What it `corrects` was counted in its place.
Time ends incidents of which nothing is heard any more and those of grants that have ended, tells of news that had to
wait, has destinations that forget be told once more (`resend_every`), and tells what intervals have held back when
telling begins again.

Invariants: an event opens nothing if it is older than the last end of the same trouble (unless that lies ahead of the
clock, which was put back then), or if within `group_interval` of that end it was only found to be of that owner.
`resolved` and `expired` go to whoever was told, whatever routes, silences and intervals say by then. Everything is in
one transaction with the number of the last event, so that a crash repeats all of it or nothing. One event that can't be
understood is logged and passed over: it keeps nobody from others. Where there is one, the events of its transaction are
consumed once more, each by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from router.incidents import images, ledger
from router.incidents.facts import EventFacts, blamed
from router.incidents.folding import (
    OF_ITSELF,
    DueMessage,
    answered,
    closing,
    count,
    end_due,
    ends,
    find,
    next_state,
)
from router.incidents.incident import Ended, How, Incident, past
from router.incidents.ledger import Stored
from router.incidents.messages import incident_id
from router.incidents.noting import Noting, ReadEvent
from router.incidents.proven import remembered
from router.incidents.subjects import IncidentSubject, image_key, overflow, registry_key, subjects
from router.incidents.telling import Teller
from router.incidents.work import IncidentsWork
from router.incidents.working import Working
from router.telemetry.logs import logger

log = logger()

AT_ONCE = 96
"""Events of one transaction: the event loop stands still while they are consumed."""


class Consuming:
    """One transaction's work; `seen` is told of the events of a group, as they were read, before its end."""

    def __init__(
        self, work: IncidentsWork, seen: Callable[[sqlite3.Connection, Sequence[EventFacts]], None] | None = None
    ) -> None:
        self._work = work
        self._seen = seen
        self._teller = Teller(work)
        self._begin()

    def _begin(self) -> None:
        self._incidents = Working(self._work.connection, self._work.rules, self._work.now)
        self._noting = Noting(self._work)

    def events(self) -> int:
        """Consume the next events; returns how many."""
        found = ledger.unconsumed(self._work.connection, AT_ONCE)
        if not found:
            return 0
        if not self._are_consumed(found) and len(found) > 1:
            for stored in found:
                self._are_consumed([stored])
        ledger.note_consumed(self._work.connection, found)
        return len(found)

    def _are_consumed(self, events: Sequence[Stored]) -> bool:
        """Consume all of these, or none where we make a mistake about one."""
        self._work.connection.execute("SAVEPOINT events")
        try:
            read = [one for stored in events if (one := self._noting.read(stored)) is not None]
            self._expect(read)
            for one in read:
                self._event(*one)
            self._incidents.flush()
            self._noting.flush()
            if self._seen is not None:
                self._seen(self._work.connection, [one.facts for one in read])
        except sqlite3.Error:
            raise
        except Exception:  # a mistake of ours about one event keeps nobody from others: each comes again by itself
            if len(events) == 1:
                log.exception("incident_event_failed", event_id=events[0].id)
            else:  # by itself each may be well
                log.exception("incident_events_failed", count=len(events), event_id=events[0].id)
            self._work.connection.execute("ROLLBACK TO events")
            self._begin()
            return False
        finally:
            self._work.connection.execute("RELEASE events")
        return True

    def time(self) -> int:
        """Do what is due without an event; returns how many incidents changed."""
        settings = self._work.rules.settings
        found = ledger.due(self._work.connection, self._work.now, AT_ONCE)
        for incident in found:
            if self._work.now >= end_due(incident, settings.quiet_after, settings.forget_after):
                self._end_by_time(incident)
            else:
                self._teller.tell_what_waited(incident)
                self._teller.resend(incident)
            self._incidents.save(incident)
        return len(found)

    def _end_by_time(self, incident: Incident) -> None:
        is_rejected = incident.outcomes["rejected"] == incident.count
        if incident.ends_at is not None:
            self._end(incident, "lapsed", self._work.time_of_day)
        else:
            self._end(incident, "quiet" if is_rejected else "forgotten", incident.last_seen)

    def close(self, incident: Incident, author: str, reason: str) -> None:
        """End an open incident because a person says so."""
        self._end(incident, "closed", self._work.time_of_day, author, reason)
        self._incidents.save(incident)
        self._incidents.flush()

    def tell_again(self, number: int, destination: str, events: int) -> None:
        """Tell a destination of an incident of which events were held back from it, where that is still news."""
        incident = self._incidents.by_number(number)
        telling = None if incident is None else incident.tellings.get(destination)
        if incident is None or telling is None or not incident.is_open:
            return
        if (state := next_state(incident, telling, self._work.now)) is not None:
            self._teller.tell_again(incident, DueMessage(destination, state), events)
        self._incidents.save(incident)
        self._incidents.flush()

    def _expect(self, read: Sequence[ReadEvent]) -> None:
        troubles = set[str]().union(*(one.troubles for one in read))
        events = [event for one in read for event in one.facts.counted_as]
        self._incidents.expect(troubles, events)

    def _event(self, one: EventFacts, body: bytes, troubles: frozenset[str]) -> None:
        touched = dict[int, Incident]()
        to_blame = blamed(one, self._to_blame) if one.routes else {}
        self._noting.note_proven(one)
        if of := one.counted_as:
            replaced = {number: outcome for event in of for number, outcome in self._incidents.counted(event).items()}
            if one.routes:
                self._take(one, body, subjects(one, to_blame), replaced, touched)
            self._uncount(one, replaced, touched)
        if touched or self._incidents.are_concerned(troubles):
            self._end_what_is_over(one, body, touched)
        for incident in touched.values():
            self._incidents.save(incident)

    def _to_blame(self, cluster: str, names: tuple[str, ...], judged_by: str, at: float) -> str | None:
        """The first of the names of a failing image that is blamed already, or was verified within the hour before."""
        for name, of in zip(names, remembered(cluster, names, judged_by), strict=True):
            if self._incidents.open_of(image_key(cluster, name)) is not None or self._noting.was_proven(of, at):
                return name
        return None

    def _take(
        self,
        one: EventFacts,
        body: bytes,
        of: Sequence[IncidentSubject],
        replaced: dict[int, str],
        touched: dict[int, Incident],
    ) -> None:
        silence = self._teller.silence_of(one)
        for subject in of:
            incident = self._incidents.open_of(subject.key) or self._opened(one, subject, replaced)
            if incident is None:
                continue
            touched[incident.number] = incident
            before = replaced.get(incident.number)
            count(incident, one, self._work.now, before)
            self._incidents.note_counted(one.id, incident.number, one.outcome)
            find(incident, one, subject.failing, subject.findings_of, is_repeated=before is not None)
            if not subject.failing and not _is_alarming(one):
                continue
            for route in subject.routes:
                self._teller.tell(incident, route, one, body, silence)
            if incident.kind == "break_glass" and not incident.findings:  # its images are fine: it is over at once
                self._end(incident, "passing", one.at, body=body)

    def _opened(self, one: EventFacts, subject: IncidentSubject, replaced: dict[int, str]) -> Incident | None:
        """A new incident, or the namespace's where there are too many; None where this opens none."""
        if replaced or not (subject.failing or _is_alarming(one)) or self._is_late(one, subject):
            return None
        namespace = one.data["request"]["namespace"]
        if subject.kind not in {"namespace", "break_glass"} and ledger.is_full(self._work.connection, namespace):
            full = overflow(one, subject)
            return self._incidents.open_of(full.key) or self._opened(one, full, replaced)
        incident = Incident(
            id=incident_id(subject.key, one.id),
            number=ledger.next_number(self._work.connection),
            kind=subject.kind,
            cluster=one.data["cluster"],
            namespace=subject.namespace,
            owner=subject.owner,
            claimed_owner=subject.claimed_owner,
            user=one.data["request"]["user"]["name"],
            first_seen=one.at,
            last_seen=one.at,
            heard_at=self._work.now,
            ends_at=self._end_of_grant(one, subject),
        )
        self._incidents.save(incident, subject.key, namespace)
        return incident

    def _end_of_grant(self, one: EventFacts, subject: IncidentSubject) -> float | None:
        """In own time."""
        grant = one.data["decision"].get("grant")
        if grant is None or subject.kind != "break_glass":
            return None
        return self._work.now + datetime.fromisoformat(grant["until"]).timestamp() - self._work.time_of_day

    def _is_late(self, one: EventFacts, subject: IncidentSubject) -> bool:
        ended = ledger.last_ended(self._work.connection, subject.key)
        if ended is None:
            return False
        incident, since = ended
        if incident.ended_time is not None and one.at <= past(incident.ended_time, self._work.time_of_day):
            return True
        interval = min((route.group_interval for route in subject.routes), default=0.0)
        return not one.whose.is_itself and self._work.now - since < interval

    def _uncount(self, one: EventFacts, replaced: dict[int, str], touched: dict[int, Incident]) -> None:
        """Let a correction take the place of what it corrects where it was counted before, and not again."""
        for number, outcome in replaced.items():
            incident = None if number in touched else self._incidents.by_number(number)
            if incident is not None:
                incident.outcomes[outcome] -= 1
                incident.outcomes[one.outcome] += 1
                self._incidents.note_counted(one.id, number, one.outcome)
                self._incidents.save(incident)

    def _end_what_is_over(self, one: EventFacts, body: bytes, touched: dict[int, Incident]) -> None:
        cluster, whose, now = one.data["cluster"], one.whose.key, self._work.time_of_day
        answering = {registry_key(cluster, host) for host in one.answering}
        passing = {
            image_key(cluster, name): image
            for image in one.passing
            for name in images.names(image["reference"], image["digest"])
        }
        found = self._incidents.concerned({whose, *answering, *passing})
        touched |= {incident.number: incident for _, incident in found}
        for incident in touched.values():
            if incident.is_open and incident.kind not in OF_ITSELF and ends(incident, one, now):
                self._end(incident, "passing", one.at, body=body)
        for owner, incident in found:
            is_over = owner in answering and answered(incident, one.at, now)
            is_over |= owner in passing and images.passes_again(incident, passing[owner], one.at, now)
            if is_over and incident.is_open:
                self._end(incident, "passing", one.at, body=body)

    def _end(
        self,
        incident: Incident,
        how: How,
        at: float,
        author: str | None = None,
        reason: str | None = None,
        body: bytes | None = None,
    ) -> None:
        incident.ended, incident.ended_time = Ended(how, author, reason), at
        incident.findings = []
        body = body or ledger.event_body(self._work.connection, incident.last_event)
        for said in closing(incident):
            self._teller.send(incident, said, body)


def _is_alarming(one: EventFacts) -> bool:
    """Whether people must be told although no image fails."""
    decision = one.data["decision"]
    return decision["severity"] == "critical" or decision["break_glass"] is not None
