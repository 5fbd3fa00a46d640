"""What a group of events shows, folded before anything is written: forty Pods of one rollout are one row.

It is called in the transaction in which incidents consume the group (`router.incidents.driver`), with events as they
were read there: what is seen is exact whenever that process dies, and no event is read twice.

Rules:
(1) An event that corrects another is of a request that was counted; bodies that are no review are of no namespace.
(2) A failing or unreachable sighting is open until a later event of the same owner shows another in its place, or is of
    a kind of object in which it was seen, is whole, and lacks that place. Who may show that is as with incidents: a
    claim that nobody believes ends nothing, nor does an event that nobody waited for. Nobody could look at it, says an
    unreachable sighting, and so nothing of the same image that was failing; one of a request that was never judged says
    nothing of what is not in it, and one that we failed at ourselves nothing of an object that can't be read.
(3) A sighting that is passing or tolerated is never open.
(4) What a scan finds running is no request. It mends only the same image in the same place, judged anew: that another
    runs there says nothing of what was deployed last.
(5) What is asked of the ledger is one look for each namespace of the group, and one for each owner of whom something is
    open; what is written is one statement for each sighting that is known already.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.events import ImageData
from router.incidents.facts import EventFacts
from router.readiness import ledger
from router.readiness.ledger import Day, LedgerRow, Open
from router.readiness.sighting import TEXT_LIMIT, SeenState, Sighting, detail_of, sighting_of, sightings
from router.text import cut, shortened

_DAY = 86400.0


@dataclass(slots=True)
class _Owner:
    """One owner in this group."""

    key: bytes
    """What the owner is known by here."""
    open: dict[bytes, Open]
    """What is open, by key."""
    before: frozenset[bytes]
    """What was when the group began."""
    rows: dict[Sighting, LedgerRow] = field(default_factory=dict)
    """What the group shows."""


class _Of(NamedTuple):
    """Whose it is that something shows, and when it did."""

    namespace: str
    whose: str
    """What the owner is known by (`Whose.key`)."""
    owner: Mapping[str, str]
    kind: str
    """Of the object, with its group."""
    at: float
    is_rejected: bool = False


class Group:
    """One transaction's work."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._owners: dict[tuple[str, str], _Owner] = {}
        self._with_open: dict[str, frozenset[bytes] | None] = {}
        self._days: dict[tuple[str, int], Day] = {}

    def note(self, one: EventFacts) -> None:
        """Take an event in."""
        if "corrects" in one.data or "unreadable" in one.data:
            return
        whose, is_rejected = one.whose, one.outcome == "rejected"
        kind = shortened(one.kind, TEXT_LIMIT)
        of = _Of(one.data["request"]["namespace"], whose.key, whose.owner, kind, one.at, is_rejected)
        day = self._day(of)
        day.requests += 1
        day.would_reject += one.data["decision"]["would_reject"]
        day.mode = one.data["decision"]["mode"]
        owner, shown = self._owner(of), list(sightings(one.data))
        _mend(owner, one, [sighting for sighting, _ in shown])
        for sighting, image in shown:
            _show(owner, of, sighting, "" if image is None else image.get("wanted", ""), detail_of(image, one.data))

    def note_running(
        self,
        namespace: str,
        whose: str,
        owner: Mapping[str, str],
        images: Sequence[ImageData],
        *,
        would_reject: bool,
        at: float,
    ) -> None:
        """Take in that these run: no request, and it mends only the same image in the same place (4)."""
        of = _Of(namespace, whose, owner, "/Pod", at)
        self._day(of)
        known = self._owner(of)
        for image in images:
            sighting = sighting_of(image, would_reject=would_reject)
            for key, opened in list(known.open.items()):
                before = opened.sighting
                is_same = (before.place, before.image) == (sighting.place, sighting.image)
                is_same &= before.standing != "failing" or sighting.standing != "unreachable"
                if is_same and before.digest in {None, sighting.digest} and opened.last_at <= at:
                    del known.open[key]
            _show(known, of, sighting, image.get("wanted", ""), image["detail"])

    def write(self) -> None:
        """Write all of it."""
        refused = ledger.write_days(self._connection, self._days.values())
        rows = list[LedgerRow]()
        for (namespace, _), owner in self._owners.items():
            if namespace not in refused:
                ledger.close(self._connection, namespace, owner.before - owner.open.keys())
                for row in owner.rows.values():
                    row.is_open = row.key in owner.open
                rows += owner.rows.values()
        ledger.write_rows(self._connection, rows)

    def _day(self, of: _Of) -> Day:
        number = int(of.at // _DAY)
        if (day := self._days.get((of.namespace, number))) is None:
            day = self._days[of.namespace, number] = Day(of.namespace, number, "")
        day.last_at = max(day.last_at, of.at)
        return day

    def _owner(self, of: _Of) -> _Owner:
        namespace, whose = of.namespace, of.whose
        if (known := self._owners.get((namespace, whose))) is None:
            if namespace not in self._with_open:
                self._with_open[namespace] = ledger.owners_with_open(self._connection, namespace)
            with_open, key = self._with_open[namespace], _key(whose)
            has_open = with_open is None or key in with_open
            found = ledger.open_of(self._connection, namespace, key) if has_open else {}
            known = self._owners[namespace, whose] = _Owner(key, found, frozenset(found))
        return known


def _show(owner: _Owner, of: _Of, sighting: Sighting, wanted: str, detail: str) -> None:
    if (row := owner.rows.get(sighting)) is None:
        whose = {name: shortened(of.owner[name], TEXT_LIMIT) for name in ("api_version", "kind", "name")}
        seen = SeenState(whose, sighting, cut(detail, TEXT_LIMIT), cut(wanted, TEXT_LIMIT))
        row = owner.rows[sighting] = LedgerRow(of.namespace, sighting.key(of.whose), owner.key, seen, of.at)
    row.take(of.at, of.kind, is_rejected=of.is_rejected)
    if sighting.is_open:
        opened = owner.open.setdefault(row.key, Open(sighting, row.kinds, of.at))
        opened.last_at = max(opened.last_at, of.at)


def _mend(owner: _Owner, one: EventFacts, shown: Sequence[Sighting]) -> None:
    if not owner.open or not one.whose.may_end or one.outcome == "unanswered":
        return
    same = {sighting.key(one.whose.key) for sighting in shown if sighting.is_open}
    there = {sighting.place for sighting in shown}
    unseen = {(sighting.place, sighting.image) for sighting in shown if sighting.standing == "unreachable"}
    is_whole = one.is_whole and all(sighting.is_judged for sighting in shown)
    kind = shortened(one.kind, TEXT_LIMIT)
    for key, opened in list(owner.open.items()):
        before = opened.sighting
        is_there = before.place in there and not _is_unseen(before, unseen)
        is_gone = before.place not in there and is_whole and kind in opened.kinds
        if key not in same and one.at >= opened.last_at and (is_there or is_gone):
            del owner.open[key]


def _is_unseen(before: Sighting, unseen: Collection[tuple[tuple[str, str], str]]) -> bool:
    """Whether nobody could look this time at what was failing."""
    return before.standing == "failing" and (before.place, before.image) in unseen


def _key(whose: str) -> bytes:
    """What an owner is known by in the ledger: of one length, whatever others have written."""
    return hashlib.blake2b(whose.encode(errors="replace"), digest_size=16).digest()


def note(connection: sqlite3.Connection, group: Sequence[EventFacts]) -> None:
    """Have a group of events seen, inside the transaction that consumes them."""
    work = Group(connection)
    for one in group:
        work.note(one)
    work.write()
