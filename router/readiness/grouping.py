"""What a group of events shows, folded before anything is written: forty Pods of one rollout are one row.

It is called in the transaction in which incidents consume the group (`router.incidents.driver`), with events as they
were read there: what is seen is exact whenever that process dies, and no event is read twice.

Rules:
(1) An event that corrects another is of a request that was counted; bodies that are no review are of no namespace.
(2) A failing or unreachable sighting is open until a later event of the same owner shows another in its place, or is of
    a kind of object in which it was seen, is whole, and lacks that place. Who may show that is as with incidents: a
    claim that nobody believes ends nothing, nor does an event that nobody waited for.
(3) A sighting that is passing or tolerated is never open.
(4) What is asked of the ledger is one look for each owner of the group; what is written is one row for each sighting.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from router.events import ImageData
from router.incidents.facts import Facts, Whose
from router.readiness import ledger
from router.readiness.ledger import Day, Open, Row
from router.readiness.sighting import TEXT_LIMIT, Seen, Sighting, detail_of, sightings
from router.text import cut, shortened

_DAY = 86400.0


@dataclass(slots=True)
class _Owner:
    """One owner in this group."""

    open: dict[bytes, Open]
    """What is open, by key."""
    before: frozenset[bytes]
    """What was when the group began."""
    rows: dict[Sighting, Row] = field(default_factory=dict)
    """What the group shows."""


class Group:
    """One transaction's work."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._owners: dict[tuple[str, bytes], _Owner] = {}
        self._has_open: dict[str, bool] = {}
        self._days: dict[tuple[str, int], Day] = {}

    def note(self, one: Facts) -> None:
        """Take an event in."""
        if "corrects" in one.data or "unreadable" in one.data:
            return
        namespace = one.data["request"]["namespace"]
        self._count(namespace, one)
        owner = self._owner(namespace, one.whose)
        shown = list(sightings(one.data))
        _mend(owner, one, [sighting for sighting, _ in shown])
        for sighting, image in shown:
            row = _row(owner, namespace, one, sighting, image)
            if sighting.is_open:
                opened = owner.open.setdefault(row.key, Open(sighting.place, row.kinds, one.at))
                opened.last_at = max(opened.last_at, one.at)

    def write(self) -> None:
        """Write all of it."""
        refused = ledger.write_days(self._connection, self._days.values())
        rows = list[Row]()
        for (namespace, _), owner in self._owners.items():
            if namespace not in refused:
                ledger.close(self._connection, namespace, owner.before - owner.open.keys())
                for row in owner.rows.values():
                    row.is_open = row.key in owner.open
                rows += owner.rows.values()
        ledger.write_rows(self._connection, rows)

    def _count(self, namespace: str, one: Facts) -> None:
        number = int(one.at // _DAY)
        day = self._days.setdefault((namespace, number), Day(namespace, number, one.data["decision"]["mode"]))
        day.requests += 1
        day.would_reject += one.data["decision"]["would_reject"]
        day.mode = one.data["decision"]["mode"]
        day.last_at = max(day.last_at, one.at)

    def _owner(self, namespace: str, whose: Whose) -> _Owner:
        key = _owner_key(whose)
        if (known := self._owners.get((namespace, key))) is None:
            if (has_open := self._has_open.get(namespace)) is None:
                has_open = self._has_open[namespace] = ledger.has_open(self._connection, namespace)
            found = ledger.open_of(self._connection, namespace, key) if has_open else {}
            known = self._owners[namespace, key] = _Owner(found, frozenset(found))
        return known


def _row(owner: _Owner, namespace: str, one: Facts, sighting: Sighting, image: ImageData | None) -> Row:
    if (row := owner.rows.get(sighting)) is None:
        whose = {name: _short(one.whose.owner[name]) for name in ("api_version", "kind", "name")}
        wanted = "" if image is None else cut(image.get("wanted", ""), TEXT_LIMIT)
        seen = Seen(whose, sighting, detail_of(image, one.data), wanted)
        row = owner.rows[sighting] = Row(namespace, sighting.key(one.whose.key), _owner_key(one.whose), seen, one.at)
    row.take(one.at, _short(one.kind), is_rejected=one.outcome == "rejected")
    return row


def _mend(owner: _Owner, one: Facts, shown: Sequence[Sighting]) -> None:
    if not owner.open or not one.whose.may_end or one.outcome == "unanswered":
        return
    same = {sighting.key(one.whose.key) for sighting in shown if sighting.is_open}
    there = {sighting.place for sighting in shown}
    kind = _short(one.kind)
    for key, opened in list(owner.open.items()):
        is_gone = opened.place not in there and one.is_whole and kind in opened.kinds
        if key not in same and one.at >= opened.last_at and (opened.place in there or is_gone):
            del owner.open[key]


def _owner_key(whose: Whose) -> bytes:
    return hashlib.blake2b(whose.key.encode(errors="replace"), digest_size=16).digest()


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else shortened(text)


def note(connection: sqlite3.Connection, group: Sequence[Facts]) -> None:
    """Have a group of events seen, inside the transaction that consumes them."""
    work = Group(connection)
    for one in group:
        work.note(one)
    work.write()
