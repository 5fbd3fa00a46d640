"""The incidents of one transaction, each read once and written once, however many events concern it.

Forty Pods of one rollout are forty events of one incident, and come together.

Invariants: what is asked of the ledger by other means (which are open, of which subject, and whose findings they have)
is written at once; only what else an incident holds waits for `flush`. `due_at` is never later than the time at which
something is due: whoever looks then finds that it has moved.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

from router.incidents import ledger
from router.incidents.folding import due
from router.incidents.incident import Incident, decoded, encoded
from router.incidents.rules import IncidentRules

OWNERS_KNOWN = 100
"""Owners with findings up to which all are known at the beginning: an event about none of them asks nothing."""


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
        self._known = self._with_findings()

    def open_of(self, subject: str) -> Incident | None:
        """The open incident of this subject."""
        return self._read("subject = ? AND is_open", subject)

    def by_number(self, number: int) -> Incident | None:
        """The incident with this number, open or not."""
        kept = self._kept.get(number)
        return self._read("number = ?", number) if kept is None else kept.incident

    def concerned(self, owners: Collection[str]) -> Sequence[tuple[str, Incident]]:
        """Each of these owners that has findings, with each open incident that they are in."""
        if self._known is not None:
            owners = self._known.intersection(owners)
        if not owners:
            return ()
        found = self._connection.execute(
            f"SELECT owner, incident FROM incident_owners WHERE owner IN ({','.join('?' * len(owners))})",  # noqa: S608 - marks of our own
            tuple(owners),
        ).fetchall()
        named = [(owner, self.by_number(number)) for owner, number in sorted(found, key=itemgetter(1))]
        return [(owner, incident) for owner, incident in named if incident is not None and incident.is_open]

    def save(self, incident: Incident, subject: str = "", namespace: str = "") -> None:
        """Keep what has changed; `subject` and `namespace` count for a new one only."""
        kept, when = self._kept.get(incident.number), self._due(incident)
        owners = _owners(incident)
        if kept is not None and incident.is_open and kept.owners == owners and when is not None and kept.due <= when:
            self._changed.add(incident.number)
            return
        ledger.save(self._connection, incident, subject, namespace, self._now, when)
        if self._known is not None:
            self._known |= owners
        self._changed.discard(incident.number)
        self._kept[incident.number] = _Kept(incident, owners, 0.0 if when is None else when)

    def flush(self) -> None:
        """Write what waits."""
        rows = [(encoded(self._kept[number].incident), number) for number in self._changed]
        self._connection.executemany("UPDATE incidents SET body = ? WHERE number = ?", rows)
        self._changed.clear()

    def _with_findings(self) -> set[str] | None:
        """Who has findings, and perhaps some who have none any more; None where there are too many to know them all."""
        statement = f"SELECT owner FROM incident_owners WHERE owner > '' LIMIT {OWNERS_KNOWN + 1}"  # noqa: S608 - a number of our own
        found = {owner for (owner,) in self._connection.execute(statement)}
        return found if len(found) <= OWNERS_KNOWN else None

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
