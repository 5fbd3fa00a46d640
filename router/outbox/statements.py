"""What is written to the SQLite outbox, in as few statements as there can be.

Many rows are one statement: inserts and settlements name all their values, selections take a list as one JSON text
(SQLite, "JSON Functions": json_each).

Invariant: nothing is remembered from one transaction to the next. The last number is read inside each, so that one
that was rolled back leaves no gap. So withdrawals come first in a batch, when what they concern is the last still.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import orjson

from router.errors import OutboxError
from router.outbox import grants, receipts
from router.outbox.attempt import KEPT, as_values
from router.outbox.protocol import (
    URGENCY,
    NewEvent,
    Number,
)
from router.outbox.queries import SEQUENCES, key, keys
from router.outbox.settlement import (
    LONGEST_DELAY,
    Accepted,
    Postponed,
    SetAside,
    Settlement,
)

ROWS = 256
"""Rows of one insert."""


@dataclass(frozen=True, slots=True)
class Append:
    """Store an event."""

    event: NewEvent
    replica: str
    now: float
    """The outbox's own time."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take events back."""

    ids: Collection[str]


@dataclass(frozen=True, slots=True)
class Settle:
    """Record what became of deliveries."""

    settlements: Sequence[Settlement]
    sequences: Sequence[int | None]
    """Their events' numbers, where they are known."""
    now: float
    """The outbox's own time."""


@dataclass(frozen=True, slots=True)
class Change:
    """Anything rarer; the result is what the function returns."""

    apply: Callable[[sqlite3.Connection], object]
    due: Collection[str] | None = ()
    """Destinations of deliveries that may be due afterwards and were not before, known when it has been written; None
    where it is not known which."""
    is_decided: bool = False
    """Whether a person has decided it; that is counted in the file, so that its owner hears of it, too."""


OutboxStatement: TypeAlias = Append | Withdraw | Settle | Change


def perform(connection: sqlite3.Connection, asked: Sequence[OutboxStatement]) -> Sequence[object]:
    """Write a batch inside a transaction; a result for each, in order.

    It is a number for an event, the ids that are gone for a withdrawal, what a change returns, nothing for settlements.
    """
    dropped, gone = _withdraw(connection, asked)
    appends = [one for one in asked if isinstance(one, Append) and one.event.id not in dropped]
    numbers = _append(connection, appends) if appends else {}
    if settled := [one for one in asked if isinstance(one, Settle) and one.settlements]:
        _settle(connection, settled)
    results: list[object] = []
    for operation in asked:
        match operation:
            case Append(event):
                number = numbers.get(event.id)
                results.append(OutboxError("the event was withdrawn") if number is None else number)
            case Withdraw(ids):
                results.append(gone & frozenset(ids))
            case Settle():
                results.append(None)
            case Change(apply=apply, is_decided=is_decided):
                results.append(apply(connection))
                if is_decided and results[-1]:  # who names what there is not has decided nothing
                    connection.execute("UPDATE decisions SET count = count + 1")
            case _:
                assert_never(operation)
    return results


def _append(connection: sqlite3.Connection, appends: Sequence[Append]) -> dict[str, Number]:
    known = [one for append in appends for one in keys(append.event.id, append.event.at)]
    last, found = connection.execute(_KNOWN, (orjson.dumps(known).decode(),)).fetchone()
    numbers = {event_id: Number(replica, sequence) for event_id, replica, sequence in orjson.loads(found)}
    new, repeated = list[tuple[int, Append]](), list[int]()
    for one in appends:
        if one.event.id in numbers:
            repeated.append(numbers[one.event.id].sequence)
            continue
        last += 1
        numbers[one.event.id] = Number(one.replica, last)
        new.append((last, one))
    if new:
        _insert(connection, _EVENTS, [value for number, one in new for value in _event(number, one)])
        _insert(connection, _DELIVERIES, [value for number, one in new for value in _deliveries(number, one)])
        connection.execute("UPDATE numbering SET last = ?", (last,))
        grants.keep(connection, [one.event for _, one in new])
    if repeated:
        connection.execute(_REPEATED, (orjson.dumps(repeated).decode(),))
    return numbers


def _withdraw(
    connection: sqlite3.Connection, asked: Sequence[OutboxStatement]
) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """(ids of this batch that need not be appended, all ids asked about of which nothing is stored)."""
    wanted = {one for operation in asked if isinstance(operation, Withdraw) for one in operation.ids}
    if not wanted:
        return frozenset(), frozenset()
    stored = _stored(connection, wanted)
    seen, before, repeated = set[str](), set[str](), set[str]()
    for operation in asked:
        match operation:
            case Append(event):
                if event.id in seen or event.id in stored or event.delivered_to:
                    repeated.add(event.id)
                seen.add(event.id)
            case Withdraw(ids):
                before |= seen.intersection(ids)
            case _:
                pass
    _remove(connection, wanted - (before & repeated))
    kept = _stored(connection, wanted) | (before & repeated)
    return before - repeated, wanted - kept


def _stored(connection: sqlite3.Connection, ids: Collection[str]) -> set[str]:
    wanted = orjson.dumps(list(ids)).decode()
    sequences = [sequence for (sequence,) in connection.execute(SEQUENCES, (wanted,))]
    found = connection.execute(_IDS, (orjson.dumps(sequences).decode(),))
    return {event_id for (event_id,) in found}


def _remove(connection: sqlite3.Connection, ids: Collection[str]) -> None:
    """Remove those of these events that nobody relies on, from the last number back to the first that must stay."""
    (last,) = connection.execute("SELECT last FROM numbering").fetchone()
    first = last
    for _ in range(len(ids)):
        found = connection.execute(_WITHDRAWABLE, (first,)).fetchone()
        if found is None or found[0] not in ids:
            break
        first -= 1
    if first != last:
        grants.withdraw(connection, first)
        connection.execute("DELETE FROM deliveries WHERE sequence > ?", (first,))
        connection.execute("DELETE FROM events WHERE sequence > ?", (first,))
        connection.execute("UPDATE numbering SET last = ?", (first,))


def _event(sequence: int, append: Append) -> Sequence[object]:
    event = append.event
    return sequence, key(event.id, event.at), event.at, event.body, append.replica, event.incident_routes


def _deliveries(sequence: int, append: Append) -> list[object]:
    event, now, urgency = append.event, append.now, URGENCY[append.event.severity]
    values: list[object] = []
    for destination in dict.fromkeys(event.destinations):
        if destination in event.delivered_to:
            values += (destination, sequence, "delivered", 1, now, now, event.at, "", urgency, now)
        else:
            values += (destination, sequence, "pending", 0, now, None, None, "", urgency, None)
    return values


def _settle(connection: sqlite3.Connection, settled: Sequence[Settle]) -> None:
    values, kept = list[object](), list[Sequence[object]]()
    for operation in settled:
        for one, held in zip(operation.settlements, operation.sequences, strict=True):
            sequence = sequence_of(connection, one.event_id) if held is None else held
            attempt = None if one.attempt is None else orjson.dumps(as_values(one.attempt)).decode()
            values += (one.destination, sequence, *_row(one, operation.now), attempt)
            if (receipt := _receipt(one)) is not None:
                kept.append((one.destination, sequence, receipt))
    _execute(connection, _SETTLE, _SETTLED.count(",") + 1, values)
    if kept:
        receipts.keep(connection, kept)


def _insert(connection: sqlite3.Connection, table: str, values: Sequence[object]) -> None:
    _execute(connection, f"INSERT INTO {table} VALUES {{}}", table.count(",") + 1, values)  # noqa: S608 - of our own


def _execute(connection: sqlite3.Connection, statement: str, columns: int, values: Sequence[object]) -> None:
    """Execute a statement with rows of so many values in it, as often as there are more than `ROWS`."""
    row = f"({','.join('?' * columns)})"
    for start in range(0, len(values), ROWS * columns):
        chunk = values[start : start + ROWS * columns]
        connection.execute(statement.format(",".join([row] * (len(chunk) // columns))), chunk)


_EVENTS = "events (sequence, key, appended_at, body, replica, incident_routes)"
_DELIVERIES = (
    "deliveries (destination, sequence, state, attempts, due_at, first_attempt_at, settled_at, reason, urgency,"
    " kept_since)"
)

_KNOWN = """
    SELECT (SELECT last FROM numbering), json_group_array(json_array(id, replica, sequence))
    FROM events WHERE key IN (SELECT value FROM json_each(?))
"""

_REPEATED = "UPDATE events SET is_repeated = 1 WHERE sequence IN (SELECT value FROM json_each(?)) AND NOT is_repeated"

_IDS = "SELECT id FROM events WHERE sequence IN (SELECT value FROM json_each(?))"

_WITHDRAWABLE = """
    SELECT id FROM events WHERE sequence = ?1 AND NOT is_repeated AND ?1 > (
        SELECT max(coalesce(consumed, 0), offered) FROM incident_progress
    ) AND NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE deliveries.sequence = events.sequence AND (state <> 'pending' OR attempts > 0)
    )
"""

_SETTLED = (
    "destination, sequence, state, attempts, due_at, tried_at, settled_at, reason, words, refusals, refused_at,"
    " kept_since, attempt"
)
_SETTLE = f"""
    WITH new ({_SETTLED}) AS (VALUES {{}})
    UPDATE deliveries SET
        state = new.state, attempts = new.attempts, due_at = new.due_at,
        first_attempt_at = coalesce(deliveries.first_attempt_at, new.tried_at), settled_at = new.settled_at,
        reason = new.reason, words = new.words, refusals = new.refusals, refused_at = new.refused_at,
        kept_since = new.kept_since,
        tried = CASE
            WHEN new.attempt IS NULL THEN tried
            WHEN tried = '[]' THEN '[' || new.attempt || ']'
            WHEN json_array_length(tried) < {KEPT} THEN json_insert(tried, '$[#]', json(new.attempt))
            ELSE json_insert(json_remove(tried, '$[1]'), '$[#]', json(new.attempt))
        END
    FROM new
    WHERE deliveries.destination = new.destination AND deliveries.sequence = new.sequence
        AND deliveries.state = 'pending'
"""  # noqa: S608 - a number of our own


def _text(reason: str) -> str:
    return reason.replace("\0", "\ufffd")  # SQLite writes a text as JSON up to its first NUL


def sequence_of(connection: sqlite3.Connection, event_id: str) -> int | None:
    """The number of an event; None where it is not in the file."""
    found = connection.execute(SEQUENCES, (orjson.dumps([event_id]).decode(),)).fetchone()
    return None if found is None else int(found[0])


def _receipt(one: Settlement) -> str | None:
    return _text(one.receipt) or None if isinstance(one, Accepted) else None


def _row(one: Settlement, now: float) -> Sequence[object]:
    match one:
        case Accepted(at=at, attempts=attempts):
            return "delivered", attempts, now, now, at, "", "", 0, None, now
        case Postponed(delay=delay, attempts=attempts, refusals=refusals):
            due_at, refused_at = now + min(delay, LONGEST_DELAY), now if one.is_refused else None
            why = _text(one.reason), _text(one.words)
            return "pending", attempts, due_at, now, None, *why, refusals, refused_at, None
        case SetAside(at=at, attempts=attempts):
            return "set_aside", attempts, now, now, at, _text(one.reason), _text(one.words), 0, None, now
        case _:
            assert_never(one)
