"""What was seen of namespaces: tables of the outbox's file, written in the transaction that consumes events.

    seen_namespaces   namespace, mode (of its last request), first_at, last_at, images (rows of seen_images),
                      overflowed_at (when something open was forgotten), state (that was told last), and of the last
                      full scan: scanned_at (when it began), pods, unknown_pods
    seen_days         namespace, day (since 1970), requests, would_reject
    seen_images       namespace, key (`Sighting.key`), owner (hash), kinds (of objects in which it was seen, where it is
                      open), standing, is_open, first_at, last_at, times, rejected
    seen_bodies       namespace, key, body (`SeenState`): apart, since it is written once, and the other row each time

    told_findings     id (of a scan's finding that was told, or of a portion that was taken), day (since 1970):
                      `router.scanning.recording`
    watching          replica, began_at, beat_at, gaps (`readiness.beats`)

Times are of the time of day at which events were decided.

Bounds: of a namespace `IMAGES_KEPT` rows are kept, what fails before what nobody could look at, that before what is not
open, and of each what was seen last; where something open is forgotten, `overflowed_at` says so, and the namespace is
not called ready. At most `NAMESPACES_KEPT` namespaces: of further ones nothing is kept, so that whoever invents names
makes us forget no real one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import orjson

from router.readiness.judging import Scan
from router.readiness.sighting import SeenState, Sighting
from router.telemetry.logs import logger

log = logger()

IMAGES_KEPT = 2000
"""Rows of one namespace at most; beyond it a tenth is forgotten at once (`left`)."""
NAMESPACES_KEPT = 10_000
OWNERS_KNOWN = 50
"""Owners with something open up to which a group asks for all of a namespace's at once; else for each by itself."""
KINDS_LIMIT = 1000
"""Characters of the kinds of objects in which something was seen."""


@dataclass(slots=True)
class Open:
    """What is open."""

    sighting: Sighting
    kinds: set[str]
    """Of objects in which it was seen."""
    last_at: float


@dataclass(slots=True)
class LedgerRow:
    """What a group adds to a row."""

    namespace: str
    key: bytes
    owner: bytes
    seen: SeenState
    first_at: float
    last_at: float = 0.0
    times: int = 0
    rejected: int = 0
    kinds: set[str] = field(default_factory=set)
    is_open: bool = False

    def take(self, at: float, kind: str, *, is_rejected: bool) -> None:
        """It was seen once more."""
        self.first_at, self.last_at = min(self.first_at, at), max(self.last_at, at)
        self.times += 1
        self.rejected += is_rejected
        self.kinds.add(kind)


@dataclass(slots=True)
class Day:
    """What a group adds to a day of a namespace."""

    namespace: str
    day: int
    mode: str
    requests: int = 0
    would_reject: int = 0
    last_at: float = 0.0


def left() -> int:
    """Rows of one namespace that are left where others were forgotten: with fewer, none was."""
    return IMAGES_KEPT * 9 // 10


def owners_with_open(connection: sqlite3.Connection, namespace: str) -> frozenset[bytes] | None:
    """Owners in a namespace of whom something is open; None where there are more than `OWNERS_KNOWN`."""
    statement = f"SELECT DISTINCT owner FROM seen_images WHERE namespace = ? AND is_open LIMIT {OWNERS_KNOWN + 1}"  # noqa: S608 - of our own
    found = frozenset(owner for (owner,) in connection.execute(statement, (namespace,)))
    return found if len(found) <= OWNERS_KNOWN else None


def open_of(connection: sqlite3.Connection, namespace: str, owner: bytes) -> dict[bytes, Open]:
    """What is open of an owner, by key."""
    found = connection.execute(
        "SELECT key, kinds, last_at, body FROM seen_images INDEXED BY open_images JOIN seen_bodies"
        " USING (namespace, key) WHERE seen_images.namespace = ? AND owner = ? AND is_open",  # else all are walked over
        (namespace, owner),
    )
    return {key: Open(_decode(body).sighting, set(orjson.loads(kinds)), at) for key, kinds, at, body in found}


def close(connection: sqlite3.Connection, namespace: str, keys: Collection[bytes]) -> None:
    """These are over."""
    statement = "UPDATE seen_images SET is_open = 0 WHERE namespace = ? AND key = ?"
    connection.executemany(statement, [(namespace, key) for key in keys])


def write_days(connection: sqlite3.Connection, days: Iterable[Day]) -> Collection[str]:
    """Count requests; returns those namespaces of which nothing is kept."""
    refused = set[str]()
    for day in days:
        namespace = day.namespace
        if namespace not in refused and not _is_kept(connection, day):
            refused.add(namespace)
        if namespace not in refused:
            connection.execute(_ADD_DAY, (namespace, day.day, day.requests, day.would_reject))
    if refused:
        log.warning("namespaces_not_kept", count=len(refused), kept=NAMESPACES_KEPT)
    return refused


def _is_kept(connection: sqlite3.Connection, day: Day) -> bool:
    known = connection.execute(
        "UPDATE seen_namespaces SET mode = coalesce(nullif(?, ''), mode), last_at = max(last_at, ?)"
        " WHERE namespace = ?",
        (day.mode, day.last_at, day.namespace),
    ).rowcount
    if known:
        return True
    (count,) = connection.execute("SELECT count(*) FROM seen_namespaces").fetchone()
    if count >= NAMESPACES_KEPT:
        return False
    connection.execute(
        "INSERT INTO seen_namespaces (namespace, mode, first_at, last_at) VALUES (?1, ?2, ?3, ?3)",
        (day.namespace, day.mode, day.last_at),
    )
    return True


_ADD_DAY = """
    INSERT INTO seen_days VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        requests = requests + excluded.requests, would_reject = would_reject + excluded.would_reject
"""


def write_rows(connection: sqlite3.Connection, rows: Sequence[LedgerRow]) -> None:
    """Write what was seen; of too much the least is forgotten."""
    new: dict[str, int] = {}
    bodies = list[tuple[str, bytes, bytes]]()
    for row in sorted(rows, key=lambda row: (row.namespace, row.key)):  # neighbours lie on one page
        if not connection.execute(*_again(row)).rowcount:
            connection.execute(_ADD_ROW, _values(row))
            new[row.namespace] = new.get(row.namespace, 0) + 1
            bodies.append((row.namespace, row.key, _encode(row.seen)))
    connection.executemany("INSERT OR REPLACE INTO seen_bodies VALUES (?, ?, ?)", bodies)
    for namespace, count in new.items():
        (images,) = connection.execute(_COUNT, (count, namespace)).fetchone()
        if images > IMAGES_KEPT:
            _trim(connection, namespace, images - left())


def _again(row: LedgerRow) -> tuple[str, tuple[object, ...]]:
    """The statement that adds to a row which is there, and its values: what can't be open has fewer of both."""
    values = (row.first_at, row.last_at, row.times, row.rejected, row.namespace, row.key)
    if not row.seen.sighting.is_open:
        return _SEEN_AGAIN, values
    return _OPEN_AGAIN, (row.is_open, _kinds(row), *values)


_SEEN_AGAIN = """
    UPDATE seen_images SET
        first_at = min(first_at, ?), last_at = max(last_at, ?), times = times + ?, rejected = rejected + ?
    WHERE namespace = ? AND key = ?
"""
_OPEN_AGAIN = f"""
    UPDATE seen_images SET
        is_open = ?1,
        kinds = CASE WHEN kinds = ?2 OR length(kinds) > {KINDS_LIMIT} THEN kinds ELSE (
            SELECT json_group_array(value) FROM (
                SELECT value FROM json_each(seen_images.kinds) UNION SELECT value FROM json_each(?2)
            )
        ) END,
        first_at = min(first_at, ?3), last_at = max(last_at, ?4), times = times + ?5, rejected = rejected + ?6
    WHERE namespace = ?7 AND key = ?8
"""  # noqa: S608 - of our own
_ADD_ROW = """
    INSERT INTO seen_images (
        namespace, key, owner, kinds, standing, is_open, first_at, last_at, times, rejected
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COUNT = "UPDATE seen_namespaces SET images = images + ? WHERE namespace = ? RETURNING images"


def _values(row: LedgerRow) -> tuple[object, ...]:
    sighting, times = row.seen.sighting, (row.first_at, row.last_at, row.times, row.rejected)
    kinds = _kinds(row) if sighting.is_open else ""
    return (row.namespace, row.key, row.owner, kinds, sighting.standing, row.is_open, *times)


def _kinds(row: LedgerRow) -> str:
    return orjson.dumps(sorted(row.kinds)).decode()


def _trim(connection: sqlite3.Connection, namespace: str, many: int) -> None:
    found = connection.execute(
        "SELECT key, is_open, last_at FROM seen_images WHERE namespace = ?"
        " ORDER BY is_open, is_open AND standing = 'failing', last_at LIMIT ?",
        (namespace, many),
    ).fetchall()
    lost = [last_at for _, is_open, last_at in found if is_open]
    _delete(connection, [(namespace, key) for key, _, _ in found])
    connection.execute(
        "UPDATE seen_namespaces SET images = images - ?, overflowed_at = coalesce(?, overflowed_at)"
        " WHERE namespace = ?",
        (len(found), max(lost, default=None), namespace),
    )


def _delete(connection: sqlite3.Connection, rows: Sequence[tuple[str, bytes]]) -> None:
    for table in ("seen_images", "seen_bodies"):
        connection.executemany(f"DELETE FROM {table} WHERE namespace = ? AND key = ?", rows)  # noqa: S608 - of our own


def forgettable(connection: sqlite3.Connection, before: float, many: int) -> Sequence[tuple[str, bytes]]:
    """Rows that were not seen since that time and count no more, at most so many."""
    return connection.execute(_FORGETTABLE, (before, many)).fetchall()


_FORGETTABLE = """
    SELECT namespace, key FROM seen_images JOIN seen_namespaces AS of USING (namespace)
    WHERE seen_images.last_at < ? AND seen_images.last_at < coalesce(of.scanned_at, 9e15) LIMIT ?
"""


def forget(connection: sqlite3.Connection, before: float, rows: Sequence[tuple[str, bytes]]) -> int:
    """Forget these rows, and days and namespaces of before that time; returns how many rows."""
    _delete(connection, rows)
    connection.executemany(_COUNT, [(-1, namespace) for namespace, _ in rows])
    connection.execute("DELETE FROM seen_days WHERE day < ?", (int(before // 86400),))
    connection.execute("DELETE FROM seen_namespaces WHERE last_at < ? AND images <= 0", (before,))
    return len(rows)


def note_scanned(connection: sqlite3.Connection, scans: Mapping[str, Scan]) -> int:
    """Full scans of these namespaces have ended; returns of how many that is kept: one that began later outranks it."""
    count = 0
    for namespace, scan in scans.items():
        _is_kept(connection, Day(namespace, 0, "", last_at=scan.began_at))
        count += connection.execute(
            "UPDATE seen_namespaces SET scanned_at = ?1, pods = ?2, unknown_pods = ?3"
            " WHERE namespace = ?4 AND coalesce(scanned_at, 0) <= ?1",
            (scan.began_at, scan.pods, scan.unknown, namespace),
        ).rowcount
    return count


def note_nothing_runs(connection: sqlite3.Connection, namespaces: Sequence[str], began_at: float) -> int:
    """A full scan has ended that has found nothing in these namespaces, as far as they are known."""
    return connection.execute(_NOTHING_RUNS, (began_at, orjson.dumps(namespaces).decode())).rowcount


_NOTHING_RUNS = """
    UPDATE seen_namespaces SET scanned_at = ?1, pods = 0, unknown_pods = 0, last_at = max(last_at, ?1)
    WHERE namespace IN (SELECT value FROM json_each(?2)) AND coalesce(scanned_at, 0) < ?1
"""


def not_scanned_since(connection: sqlite3.Connection, at: float) -> Sequence[str]:
    """Namespaces that are known, and of which no full scan is that began then or later."""
    statement = "SELECT namespace FROM seen_namespaces WHERE coalesce(scanned_at, 0) < ?"
    return [name for (name,) in connection.execute(statement, (at,))]


def note_told(connection: sqlite3.Connection, namespaces: Sequence[str], state: str) -> int:
    """This state was told of them; returns how many there are."""
    statement = "UPDATE seen_namespaces SET state = ? WHERE namespace = ?"
    return connection.executemany(statement, [(state, name) for name in namespaces]).rowcount


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SeenState).decode
decoded = _decode
"""What a row's body says."""
