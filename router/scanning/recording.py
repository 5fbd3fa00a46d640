"""What is kept and told of a scan, in the outbox's file: findings as events, and what readiness is judged by.

Rules:
(1) A finding is told to whom a route sends it that says `about: scan`, one by one, once a day for what is the same
    (`findings.finding_id`), across restarts and whoever scans.
(2) What a scan shows is seen as what a request shows, but no request is counted (`readiness.grouping`).
(3) Everything is written in portions, so that nobody waits long. Each is taken once, however often it comes.
(4) That a scan was full is written at its end, once all portions are there, for every namespace that is known: also
    where nothing runs. Where it did not look, by its own `scan.namespaces` or `--namespace`, it says nothing.
(5) Who is told, and which namespaces are left out, says the configuration of whoever keeps it (`Terms`), wherever it
    was scanned; what somebody has asked for by name is not left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import orjson
from msgspec import Meta

from router.events import Origin, encode, event_id
from router.incidents.facts import key
from router.incidents.ledger import append
from router.policy.matching import FirstMatch
from router.policy.settings import NAMESPACE_GLOB
from router.readiness import ledger
from router.readiness.grouping import Group
from router.readiness.judging import Scan
from router.routing import RoutingTree
from router.scanning.findings import DAY, finding
from router.scanning.scan import ScanFinding
from router.scanning.settings import GLOBS

PORTION = 25
"""Findings of one transaction: a few milliseconds, for which whoever stores an event waits."""
NAMESPACES = 100
"""Namespaces of one transaction, for the same reason."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which scan it is, and where it has looked."""

    cluster: str
    replica: str
    """Which of our replicas has scanned."""
    began_at: float
    """Seconds since 1970, by the clock of whoever keeps it."""
    only: Sequence[str] | None
    """The namespaces that it was asked for by name."""
    namespaces: Annotated[Sequence[Annotated[str, Meta(pattern=NAMESPACE_GLOB)]], Meta(max_length=GLOBS)]
    """`scan.namespaces` where it was asked, by which it has looked where it was not asked for any by name."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of what a scan has found."""

    scan: Which
    number: int
    """They are counted from 1 on."""
    found: Annotated[Sequence[ScanFinding], Meta(max_length=PORTION)]


@dataclass(frozen=True, slots=True)
class ScanClosing:
    """That a scan has ended, of some namespaces in which it was full."""

    scan: Which
    portions: Annotated[int, Meta(ge=0, le=100_000)]
    """In how many what it has found was handed in."""
    by_namespace: Annotated[Mapping[str, Scan], Meta(max_length=NAMESPACES)]
    is_last: bool
    """Whether these are all, with those that came before, in which anything runs."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what is kept what a scan has found: the configuration of whoever keeps it."""

    cluster: str
    replica: str
    """Which of our replicas that is."""
    routes: RoutingTree
    namespaces: Sequence[str]
    """`scan.namespaces`."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """By whom, by what and when findings are told."""

    replica: str
    """Which of our replicas has scanned."""
    terms: Terms
    at: float
    """Seconds since 1970."""
    now: float
    """The outbox's own time."""
    due: set[str]
    """Gets the destinations that are told."""


def take(connection: sqlite3.Connection, portion: Portion, terms: Terms, now: float, due: set[str]) -> int:
    """Keep it, inside a transaction; returns how many findings are left out.

    `now` is the outbox's own time; `due` gets the destinations that are told.
    """
    scan, is_meant = portion.scan, _meant(portion.scan, terms)
    kept = [one for one in portion.found if is_meant(one.running.namespace)]
    if _is_new(connection, _portion_id(scan, portion.number), scan.began_at):
        write(connection, kept, Occasion(scan.replica, terms, scan.began_at, now, due))
    return len(portion.found) - len(kept)


def end(connection: sqlite3.Connection, ended: ScanClosing, terms: Terms) -> int:
    """Note that it was full, inside a transaction; returns how many portions are not there: then nothing is noted."""
    scan, is_meant = ended.scan, _meant(ended.scan, terms)
    wanted = [_portion_id(scan, number) for number in range(1, ended.portions + 1)]
    (there,) = connection.execute(_PORTIONS, (orjson.dumps(wanted).decode(),)).fetchone()
    if there < len(wanted):
        return len(wanted) - int(there)
    full = {
        namespace: replace(one, began_at=scan.began_at)
        for namespace, one in ended.by_namespace.items()
        if is_meant(namespace)
    }
    ledger.note_scanned(connection, full)
    return 0


def idle(connection: sqlite3.Connection, ended: ScanClosing, terms: Terms) -> Sequence[str]:
    """The other namespaces that are known, in which it has looked and found nothing: to be noted as such, too."""
    if not ended.is_last or ended.scan.only is not None:
        return ()
    return [*filter(_meant(ended.scan, terms), ledger.not_scanned_since(connection, ended.scan.began_at))]


_PORTIONS = "SELECT count(*) FROM told_findings WHERE id IN (SELECT value FROM json_each(?))"


def write(connection: sqlite3.Connection, found: Sequence[ScanFinding], occasion: Occasion) -> int:
    """Have these told and seen, inside a transaction; returns how many were told."""
    group, told = Group(connection), 0
    for one in found:
        told += _append(connection, one, occasion)
        images = [{**one.judged.image, "container_kind": kind, "container": name} for kind, name in one.where.places]
        running = one.running
        group.note_running(
            running.namespace,
            _owner_key(occasion.terms.cluster, one),
            dict(zip(("api_version", "kind", "name"), running.owner, strict=True)),
            images,  # type: ignore[arg-type]  # an image with other places is one
            would_reject=one.judged.parts.decision["would_reject"],
            at=occasion.at,
        )
    group.write()
    connection.execute("DELETE FROM told_findings WHERE day < ?", (int(occasion.at // DAY) - 1,))
    return told


def meant_by(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether `scan.namespaces` means a namespace."""
    if "*" in globs:
        return lambda _: True
    meant = FirstMatch([(glob, "") for glob in globs])
    return lambda namespace: meant.find(namespace) is not None


def _meant(scan: Which, terms: Terms) -> Callable[[str], bool]:
    """Whether a namespace is one of which this scan says something that is kept (4), (5)."""
    if (only := scan.only) is not None:
        return frozenset(only).__contains__
    is_looked_at, is_wanted = meant_by(scan.namespaces), meant_by(terms.namespaces)
    return lambda namespace: is_looked_at(namespace) and is_wanted(namespace)


def _append(connection: sqlite3.Connection, one: ScanFinding, occasion: Occasion) -> int:
    origin = Origin(occasion.terms.cluster, occasion.replica)
    event = finding(origin, one.running, one.where, one.judged, occasion.at)
    told = occasion.terms.routes.of_scan(event["data"])
    if not (told and _is_new(connection, event["id"], occasion.at)):
        return 0
    occasion.due.update(told)
    append(
        connection,
        (event["id"], encode(event)),
        told,
        severity=event["data"]["decision"]["severity"],
        template="",
        replica=occasion.terms.replica,
        at=occasion.at,
        now=occasion.now,
    )
    return 1


def _is_new(connection: sqlite3.Connection, told_id: str, at: float) -> bool:
    """Whether it was not noted before; from now on it is, for a day or two."""
    statement = "INSERT OR IGNORE INTO told_findings VALUES (?, ?)"
    return connection.execute(statement, (told_id, int(at // DAY))).rowcount > 0


def _portion_id(scan: Which, number: int) -> str:
    return event_id(scan.cluster, f"portion/{scan.replica}/{scan.began_at!r}/{number}")


def _owner_key(cluster: str, one: ScanFinding) -> str:
    """What incidents know that owner by."""
    api_version, kind, name = one.running.owner
    return key("owner", cluster, one.running.namespace, api_version.rpartition("/")[0], kind, name)
