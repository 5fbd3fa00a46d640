"""The incidents of one transaction, each read once and written once, however many events concern it.

Forty Pods of one rollout are forty events of one incident, and come together.

Invariants: what is asked of the ledger by other means (which are open, of which subject, and whose findings they have)
is written at once; only what else an incident holds, and which events were counted, waits for `flush`. `due_at` is
never later than the time at which something is due: whoever looks then finds that it has moved.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from router.incidents import ledger
from router.incidents.folding import due
from router.incidents.incident import Incident, decoded, encoded
from router.incidents.rules import IncidentRules


@dataclass(slots=True)
class _Kept:
    incident: Incident
    owners: frozenset[str]
    """Whose findings the ledger knows of."""
    due: float
    """When the ledger says that it changes without an event."""


class Working:
    """Incidents of one transaction; `now` is own time."""

    def __init__(self, connection: sqlite3.Connection, rules: IncidentRules, now: float) -> None:
        self._connection = connection
        self._rules = rules
        self._now = now
        self._kept: dict[int, _Kept] = {}
        self._changed = set[int]()
        self._open: dict[str, Incident | None] = {}
        """By subject, as far as that was asked."""
        self._having: dict[str, set[int]] = {}
        """Open incidents by those who have findings in them: of whoever is expected, and of whoever came since."""
        self._counted: dict[str, dict[int, str]] = {}
        self._newly_counted = list[tuple[str, int, str]]()

    def expect(self, owners: Collection[str], events: Collection[str]) -> None:
        """Look up of which of these owners there are findings, and which of these events were counted: all at once."""
        for owner, number in ledger.with_findings(self._connection, owners):
            self._having.setdefault(owner, set()).add(number)
        numbers = set[int]().union(*self._having.values())
        for subject, when, incident in ledger.opened(self._connection, numbers) if numbers else ():
            self._kept[incident.number] = _Kept(incident, _owners(incident), when)
            self._open[subject] = incident
        for event, number, outcome in ledger.counted(self._connection, events) if events else ():
            self._counted.setdefault(event, {})[number] = outcome

    def counted(self, event: str) -> Mapping[int, str]:
        """The incidents that have counted an expected event, by their numbers, and with which outcome."""
        return self._counted.get(event, {})

    def note_counted(self, event: str, number: int, outcome: str) -> None:
        """Note that an incident has counted an event."""
        self._counted.setdefault(event, {})[number] = outcome
        self._newly_counted.append((event, number, outcome))

    def open_of(self, subject: str) -> Incident | None:
        """The open incident of this subject."""
        if subject not in self._open:
            self._open[subject] = self._read("subject = ? AND is_open", subject)
        found = self._open[subject]
        return found if found is not None and found.is_open else None

    def by_number(self, number: int) -> Incident | None:
        """The incident with this number, open or not."""
        kept = self._kept.get(number)
        return self._read("number = ?", number) if kept is None else kept.incident

    def are_concerned(self, owners: Collection[str]) -> bool:
        """Whether any of these, who were expected, may have findings."""
        return not self._having.keys().isdisjoint(owners)

    def concerned(self, owners: Iterable[str]) -> Sequence[tuple[str, Incident]]:
        """Each of these expected owners that has findings, with each open incident that they are in."""
        found = sorted((number, owner) for owner in owners for number in self._having.get(owner, ()))
        named = [(owner, self.by_number(number)) for number, owner in found]
        return [(owner, incident) for owner, incident in named if incident is not None and incident.is_open]

    def save(self, incident: Incident, subject: str = "", namespace: str = "") -> None:
        """Keep what has changed; `subject` and `namespace` count for a new one only."""
        kept, owners = self._kept.get(incident.number), _owners(incident)
        if kept is not None and incident.is_open and kept.owners == owners:
            self._changed.add(incident.number)
            return
        when = self._due(incident)
        ledger.save(self._connection, incident, subject, namespace, self._now, when)
        if subject:
            self._open[subject] = incident
        for owner in () if kept is None else kept.owners - owners:
            self._having.get(owner, set()).discard(incident.number)
        for owner in owners:
            self._having.setdefault(owner, set()).add(incident.number)
        self._changed.discard(incident.number)
        self._kept[incident.number] = _Kept(incident, owners, 0.0 if when is None else when)

    def flush(self) -> None:
        """Write what waits."""
        rows = list[tuple[str, int]]()
        for kept in map(self._kept.__getitem__, self._changed):
            incident, when = kept.incident, self._due(kept.incident)
            if when is not None and when < kept.due:
                ledger.save(self._connection, incident, "", "", self._now, when)
                kept.due = when
            else:
                rows.append((encoded(incident), incident.number))
        self._connection.executemany("UPDATE incidents SET body = ? WHERE number = ?", rows)
        self._changed.clear()
        if self._newly_counted:
            ledger.note_counted(self._connection, self._newly_counted)
            self._newly_counted.clear()

    def _read(self, condition: str, value: object) -> Incident | None:
        found = self._connection.execute(
            f"SELECT number, coalesce(due_at, 0), body FROM incidents WHERE {condition}",  # noqa: S608 - of our own
            (value,),
        ).fetchone()
        if found is None:
            return None
        number, when, body = found
        if (kept := self._kept.get(number)) is None:
            incident = decoded(body)
            kept = self._kept[number] = _Kept(incident, _owners(incident), when)
        return kept.incident

    def _due(self, incident: Incident) -> float | None:
        settings = self._rules.settings
        return due(incident, settings.quiet_after, settings.forget_after, self._rules.resend_every)


def _owners(incident: Incident) -> frozenset[str]:
    return frozenset(finding.owner for finding in incident.findings) if incident.is_open else frozenset()
