"""What commands and metrics ask of what was seen: reads only, beside whoever writes.

Every function takes a connection to the outbox's file, so that it runs inside `SqliteFile.read` as any other query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from router.readiness import beats, ledger
from router.readiness.judging import UNREACHABLE_FOR, NamespaceJudgement, NamespaceRecord, Scan, judged
from router.readiness.settings import ReadinessSettings
from router.readiness.sighting import SightedImage

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Overview:
    """One namespace."""

    namespace: str
    mode: str
    """Of its last request; empty where none was seen."""
    told: str
    """The state that was told last; empty where none was."""
    known: NamespaceRecord
    judged: NamespaceJudgement
    counts_from: float
    """What was not seen since counts no more, in seconds since 1970 (`judging`, rule 3)."""


def overviews(
    connection: sqlite3.Connection, settings: ReadinessSettings, now: float, namespace: str | None = None
) -> Sequence[Overview]:
    """All namespaces, or one, also where nothing is known of it; by name."""
    watch, where = beats.watch(connection), "" if namespace is None else "AND namespace = ?"
    chosen = () if namespace is None else (namespace,)
    since = now - settings.window
    requests = _by_namespace(
        connection,
        f"SELECT namespace, sum(requests) FROM seen_days WHERE day >= ? {where} GROUP BY 1",  # noqa: S608 - of our own
        since // _DAY,
        *chosen,
    )
    failing = _by_namespace(connection, _FAILING.format(where), since, *chosen)
    unreachable = _by_namespace(connection, _UNREACHABLE.format(where), max(since, now - UNREACHABLE_FOR), *chosen)
    found = connection.execute(
        "SELECT namespace, mode, state, overflowed_at, scanned_at, pods, unknown_pods FROM seen_namespaces"  # noqa: S608 - of our own
        f" WHERE 1 {where} ORDER BY 1",
        chosen,
    ).fetchall()
    told = {name: (mode, state) for name, mode, state, *_ in found}
    known = {
        name: NamespaceRecord(
            watch,
            requests.get(name, 0),
            failing.get(name, 0),
            unreachable.get(name, 0),
            overflowed_at,
            None if scanned_at is None else Scan(scanned_at, pods, unknown),
        )
        for name, _, _, overflowed_at, scanned_at, pods, unknown in found
    }
    if namespace is not None and not known:
        told, known = {namespace: ("", "")}, {namespace: NamespaceRecord(watch, 0, 0, 0, is_known=False)}
    return [
        Overview(name, *told[name], one, judged(one, settings, now), _counts_from(one, since))
        for name, one in known.items()
    ]


def _counts_from(known: NamespaceRecord, since: float) -> float:
    return since if known.scan is None else min(since, known.scan.began_at)


_FAILING = """
    SELECT namespace, count(*) FROM seen_images JOIN seen_namespaces AS of USING (namespace)
    WHERE is_open AND standing = 'failing' AND seen_images.last_at >= min(?1, coalesce(of.scanned_at, ?1)) {}
    GROUP BY namespace
"""
_UNREACHABLE = """
    SELECT namespace, count(*) FROM seen_images
    WHERE is_open AND standing = 'unreachable' AND last_at >= ? {} GROUP BY namespace
"""


def _by_namespace(connection: sqlite3.Connection, statement: str, *values: object) -> Mapping[str, int]:
    return dict(connection.execute(statement, values).fetchall())


class ExemptedImage(NamedTuple):
    """An image of an owner that an exemption has let in."""

    pattern: str
    """Of the exemption."""
    owner: str
    """KIND/NAME."""
    image: str
    found: str
    """What is true of it."""
    last_at: float
    """When it was let in last, in seconds since 1970."""


def exempted(connection: sqlite3.Connection, namespace: str, since: float, limit: int) -> Sequence[ExemptedImage]:
    """What exemptions have let in since that time (`router.incidents.exempt`), what was let in last first."""
    found = connection.execute(
        "SELECT pattern, owner, image, found, last_at FROM exempt_images"
        " WHERE namespace = ? AND last_at >= ? ORDER BY last_at DESC LIMIT ?",
        (namespace, since, limit),
    )
    return [ExemptedImage(*row) for row in found]


def images(
    connection: sqlite3.Connection, namespace: str, since: float, limit: int, *, is_open: bool
) -> Sequence[SightedImage]:
    """Images of a namespace that were seen since that time, those that were seen last first.

    Of those that are open, what fails comes before what nobody could look at, of which anybody can make any number.
    """
    where, order = ("AND is_open", "standing = 'failing' DESC,") if is_open else ("", "")
    found = connection.execute(
        "SELECT body, is_open, first_at, last_at, times, rejected FROM seen_images"  # noqa: S608 - of our own
        " JOIN seen_bodies USING (namespace, key)"
        f" WHERE namespace = ? AND last_at >= ? {where} ORDER BY {order} last_at DESC LIMIT ?",
        (namespace, since, limit),
    )
    return [SightedImage(ledger.decoded(body), bool(open_), *others) for body, open_, *others in found]
