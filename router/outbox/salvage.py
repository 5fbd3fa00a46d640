"""What can still be read of an outbox that was replaced is put into the one that follows it.

Rules:
(1) Taken over is what somebody waits for or can replay: open deliveries with their events, under the numbers that they
    have. What everybody has received stays behind.
(2) What can't be read is narrowed down to single events, and left out.
(3) What became of a delivery since the file was given up holds: it is written once more over what is taken over
    (`noted`).
(4) What incidents are kept in is taken over whole before anything is written to the other file, table by table, so that
    nobody is told twice of what he knows. Where the numbers given to messages can't be read, it is counted on far
    beyond them. So are events that no incident was made of yet, here or at the collector: of our own the oldest
    `UNCONSUMED`, and as many that were collected. What is beyond that is delivered, but in no incident. Where it can't
    be read what was consumed, everything that was stored before counts as consumed, and nothing that is stored after.
(5) Both files have the tables of this release; which columns those have is asked of them.
(6) No delivery is taken over without its event, nor to the event of another: what was appended again to the other file
    has its deliveries there, under a number of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from router.events import without_sequence
from router.outbox.noted import NotedSettlements
from router.outbox.protocol import URGENCY, Delivery
from router.outbox.queries import key
from router.outbox.schema import MESSAGES_END
from router.outbox.statements import perform

PORTION = 500
"""Events of one transaction at most."""
_TABLES = ("events", "deliveries")
_LEDGER = (
    "incident_progress",
    "incidents",
    "incident_owners",
    "incident_events",
    "seen_controllers",
    "silences",
    "held_back",
    "sent_messages",
    "incident_receipts",
    "proven_images",
    "exempt_images",
    "told_exemptions",
    "grants",
    "seen_namespaces",
    "seen_days",
    "seen_images",
    "seen_bodies",
    "told_findings",
    "watching",
)
UNKNOWN = 1_000_000
"""How far the numbers of messages are counted on where they are not known."""
UNCONSUMED = 10_000
"""Events that are read at once at most: tens of megabytes, while whoever appends waits."""
_OPEN = "SELECT sequence FROM deliveries WHERE sequence BETWEEN ? AND ? AND state IN ('pending', 'set_aside')"
_ALL = "SELECT sequence FROM events WHERE sequence BETWEEN ? AND ?"
_RANGES = """
    SELECT consumed + 1, (SELECT last FROM numbering) FROM incident_progress WHERE consumed IS NOT NULL
    UNION ALL SELECT collected_consumed + 1, collected FROM incident_progress
"""
"""The first and the last number of what was not consumed: our own, and what was collected."""
_UNKNOWN_PROGRESS = """
    UPDATE incident_progress SET consumed = (SELECT last FROM numbering), messages = ?, incidents = ?
"""
"""Numbers are counted on first: consumed counts what is kept of before, and nothing that follows."""

_KEEP = """
    INSERT OR IGNORE INTO deliveries
        (destination, sequence, state, attempts, due_at, reason, urgency, template, incident)
    VALUES (?, ?, 'pending', ?, 0, '', ?, ?, ?)
"""

SalvagedRow: TypeAlias = tuple[object, ...]
Ledger: TypeAlias = Mapping[str, list[SalvagedRow]]
"""Rows of the tables that incidents are kept in, of those that can be read, and the events that come next."""


@dataclass(frozen=True, slots=True)
class SalvagedRows:
    """Rows of both tables, and what was not readable."""

    rows: dict[str, list[SalvagedRow]] = field(default_factory=lambda: {table: [] for table in _TABLES})
    unreadable: list[int] = field(default_factory=list)
    """Numbers of events."""


def last_number(connection: sqlite3.Connection) -> int | None:
    """The number of the last event; None where that can't be read."""
    try:
        (last,) = connection.execute("SELECT last FROM numbering").fetchone()
    except (sqlite3.Error, TypeError):
        return None
    return int(last)


def ledger(connection: sqlite3.Connection) -> Ledger:
    """What incidents are kept in."""
    found = dict[str, list[SalvagedRow]]()
    for table in _LEDGER:
        with suppress(sqlite3.Error):
            names = ",".join(_columns(connection, table))
            found[table] = connection.execute(f"SELECT {names} FROM {table}").fetchall()  # noqa: S608 - names of our own
    with suppress(sqlite3.Error):
        for first, last in connection.execute(_RANGES).fetchall():
            events, end = SalvagedRows(), min(int(last), int(first) + UNCONSUMED - 1)
            if first <= end:
                _read(connection, int(first), end, events, _ALL, ("events",))
            found["events"] = [*found.get("events", ()), *events.rows["events"]]
    return found


def put_ledger(connection: sqlite3.Connection, found: Ledger) -> None:
    """Write it into a file that has none yet, whose numbers were counted on (`count_on`)."""
    connection.execute("BEGIN IMMEDIATE")
    if found.get("incident_progress"):
        connection.execute("DELETE FROM incident_progress")
    else:
        connection.execute(_UNKNOWN_PROGRESS, (UNKNOWN, UNKNOWN))
    for table, rows in found.items():
        connection.executemany(_insert(table, _columns(connection, table)), rows)
    connection.execute("COMMIT")


def open_messages(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """The first and the last number of a message that somebody waits for or can replay; None where there is none."""
    first, last = connection.execute(
        "SELECT min(sequence), max(sequence) FROM deliveries WHERE sequence < ? AND state IN ('pending', 'set_aside')",
        (MESSAGES_END,),
    ).fetchone()
    return None if first is None else (int(first), int(last))


def read(connection: sqlite3.Connection, first: int, last: int) -> SalvagedRows:
    """What is open of these events."""
    found = SalvagedRows()
    _read(connection, first, last, found)
    return found


def put(connection: sqlite3.Connection, found: SalvagedRows, noted: NotedSettlements) -> int:
    """Write it, inside a transaction, with what has become of it since; returns how many events were taken over."""
    names, rows = _columns(connection, "events"), found.rows["events"]
    connection.executemany(_insert("events", names), rows)
    sequence, of = names.index("sequence"), names.index("key")
    there = {row[sequence] for row in rows if _is_there(connection, row[sequence], row[of])}
    names, rows = _columns(connection, "deliveries"), found.rows["deliveries"]
    insert, destination, sequence = _insert("deliveries", names), names.index("destination"), names.index("sequence")
    new = [row for row in rows if row[sequence] in there and connection.execute(insert, row).rowcount]
    _settle(connection, noted, {(str(row[destination]), int(str(row[sequence]))) for row in new})
    return len(there)


def keep(connection: sqlite3.Connection, delivery: Delivery, noted: NotedSettlements) -> int:
    """Write what a lane has in memory, unless it is there, inside a transaction; returns how many deliveries."""
    sequence, at = delivery.number.sequence, delivery.appended_at
    body = delivery.body if sequence < MESSAGES_END else without_sequence(delivery.body, sequence)
    found_by = key(delivery.event_id, at)
    connection.execute(
        "INSERT OR IGNORE INTO events (sequence, key, appended_at, body, replica) VALUES (?, ?, ?, ?, ?)",
        (sequence, found_by, at, body, delivery.number.replica),
    )
    if not (_is_there(connection, sequence, found_by) and connection.execute(_KEEP, _kept(delivery)).rowcount):
        return 0
    _settle(connection, noted, {(delivery.destination, sequence)})
    return 1


def _insert(table: str, names: Sequence[str]) -> str:
    return f"INSERT OR IGNORE INTO {table} ({','.join(names)}) VALUES ({','.join('?' * len(names))})"  # noqa: S608 - names of our own


def _is_there(connection: sqlite3.Connection, sequence: object, found_by: object) -> bool:
    """Whether this number is that event's, rule (6)."""
    found = connection.execute("SELECT 1 FROM events WHERE sequence = ? AND key = ?", (sequence, found_by))
    return found.fetchone() is not None


def _kept(delivery: Delivery) -> SalvagedRow:
    return (
        delivery.destination,
        delivery.number.sequence,
        delivery.attempts,
        URGENCY[delivery.severity],
        delivery.template,
        delivery.incident,
    )


def _settle(connection: sqlite3.Connection, noted: NotedSettlements, deliveries: Collection[tuple[str, int]]) -> None:
    for one in noted.about(connection, deliveries):  # one by one: several may be about the same delivery
        perform(connection, [one])


def count_on(connection: sqlite3.Connection, last: int) -> int:
    """Let the next event have a number beyond this."""
    return connection.execute("UPDATE numbering SET last = max(last, ?)", (last,)).rowcount


def _read(
    connection: sqlite3.Connection,
    first: int,
    last: int,
    found: SalvagedRows,
    of: str = _OPEN,
    tables: Sequence[str] = _TABLES,
) -> None:
    try:
        rows = {table: _rows(connection, table, first, last, of) for table in tables}
    except sqlite3.Error:
        if first == last:
            found.unreadable.append(first)
            return
        middle = (first + last) // 2
        _read(connection, first, middle, found, of, tables)
        _read(connection, middle + 1, last, found, of, tables)
        return
    for table, some in rows.items():
        found.rows[table].extend(some)


def _rows(connection: sqlite3.Connection, table: str, first: int, last: int, of: str) -> list[SalvagedRow]:
    names = ",".join(_columns(connection, table))
    return connection.execute(
        f"SELECT {names} FROM {table} WHERE sequence IN ({of}) ORDER BY sequence",  # noqa: S608 - names of our own
        (first, last),
    ).fetchall()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Those that are stored; generated ones follow from them."""
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
