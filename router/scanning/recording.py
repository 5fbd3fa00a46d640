"""What is kept and told of a scan, in the outbox's file: findings as events, and what readiness is judged by.

Rules:
(1) A finding is told to whom a route sends it that says `about: scan`, one by one, once a day for what is the same
    (`findings.finding_id`), across restarts and whoever scans.
(2) What a scan shows is seen as what a request shows, but no request is counted (`readiness.grouping`).
(3) That a scan was full is written at its end, for every namespace that is known: also where nothing runs.
Everything is written in portions, so that nobody waits long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from router.events import Origin, as_json
from router.incidents.facts import key
from router.incidents.ledger import append
from router.readiness import ledger
from router.readiness.grouping import Group
from router.readiness.judging import Scan
from router.routing import RoutingTree
from router.scanning.findings import DAY, finding
from router.scanning.scan import Found

PORTION = 100
"""Findings of one transaction."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """By whom, by what routes and when findings are told."""

    origin: Origin
    routes: RoutingTree
    at: float
    """Seconds since 1970."""
    now: float
    """The outbox's own time."""


def write(connection: sqlite3.Connection, found: Sequence[Found], occasion: Occasion) -> int:
    """Have these told and seen, inside a transaction; returns how many were told."""
    group, told = Group(connection), 0
    for one in found:
        told += _append(connection, one, occasion)
        images = [{**one.judged.image, "container_kind": kind, "container": name} for kind, name in one.where.places]
        running = one.running
        group.note_running(
            running.namespace,
            _owner_key(occasion.origin.cluster, one),
            dict(zip(("api_version", "kind", "name"), running.owner, strict=True)),
            images,  # type: ignore[arg-type]  # an image with other places is one
            would_reject=one.judged.parts.decision["would_reject"],
            at=occasion.at,
        )
    group.write()
    connection.execute("DELETE FROM told_findings WHERE day < ?", (int(occasion.at // DAY) - 1,))
    return told


def write_full(
    connection: sqlite3.Connection,
    scans: Mapping[str, Scan],
    began_at: float,
    only: Sequence[str] | None,
    is_meant: Callable[[str], bool] = lambda _: True,
) -> int:
    """A full scan has ended, of these namespaces only, or of all that are meant; returns of how many that is known."""
    nothing = Scan(began_at, 0, 0)
    known = filter(is_meant, ledger.namespaces(connection)) if only is None else only
    return ledger.note_scanned(connection, {**dict.fromkeys(known, nothing), **scans})


def _append(connection: sqlite3.Connection, one: Found, occasion: Occasion) -> int:
    event = finding(occasion.origin, one.running, one.where, one.judged, occasion.at)
    told = occasion.routes.of_scan(event["data"])
    is_new = (
        told
        and connection.execute(
            "INSERT OR IGNORE INTO told_findings VALUES (?, ?)", (event["id"], int(occasion.at // DAY))
        ).rowcount
    )
    if not is_new:
        return 0
    append(
        connection,
        (event["id"], as_json(event)),
        told,
        severity=event["data"]["decision"]["severity"],
        template="",
        replica=occasion.origin.replica,
        at=occasion.at,
        now=occasion.now,
    )
    return 1


def _owner_key(cluster: str, one: Found) -> str:
    """What incidents know that owner by."""
    api_version, kind, name = one.running.owner
    return key("owner", cluster, one.running.namespace, api_version.rpartition("/")[0], kind, name)
