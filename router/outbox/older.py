"""Gives what an older release has stored its severity, beside everything else.

Before version 4 no severity stood beside a delivery. A migration gives them all `medium`: to read a million events
would keep the router from its start. What waits or was set aside among them gets the severity that its event names, in
small transactions, so that a rejection does not wait behind older admissions for longer than that takes.

Invariant: older events stand before newer ones, and are known by their keys (`queries.key`); so the end is found
without looking at a newer one, and nothing has to be remembered about how far it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

import orjson

from router.outbox.file import SqliteFile
from router.outbox.protocol import URGENCY
from router.outbox.statements import Change
from router.verdict import Severity

PORTION = 200
"""Events that one transaction is about: the loop stands still for a few milliseconds at most while it writes them."""
OlderSeverities: TypeAlias = Sequence[tuple[int, str | None]]
"""Number of an older event, and its severity where somebody can still be told of it."""

_ASSUMED = URGENCY[Severity.MEDIUM]
_IS_OPEN = f"state IN ('pending', 'set_aside') AND urgency = {_ASSUMED}"

_OLDER = f"""
    SELECT json_group_array(json_array(sequence, CASE WHEN is_open AND json_valid(body) THEN coalesce(
        json_extract(body, '$.data.decision.severity'), json_extract(body, '$.data.notice.severity')
    ) END)) FROM (
        SELECT sequence, CAST(body AS TEXT) AS body, EXISTS (
            SELECT 1 FROM deliveries WHERE deliveries.sequence = portion.sequence AND {_IS_OPEN}
        ) AS is_open
        FROM (SELECT sequence, key, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?) AS portion
        WHERE key < '~'
    )
"""  # noqa: S608 - of our own

_GIVE = f"""
    UPDATE deliveries SET urgency = named
    FROM (SELECT value ->> 0 AS number, value ->> 1 AS named FROM json_each(?))
    WHERE sequence = number AND {_IS_OPEN}
"""  # noqa: S608 - of our own


async def give_severities(file: SqliteFile) -> int:
    """Give every older delivery that is open its severity; returns how many had another. Raises OutboxError."""
    given = after = 0
    while found := await file.read(_older, after):
        after = found[-1][0]
        if urgencies := _urgencies(found):
            done = await file.write(Change(partial(_give, urgencies=urgencies), due=None))
            given += done if isinstance(done, int) else 0
    return given


def _older(connection: sqlite3.Connection, after: int) -> OlderSeverities:
    found: OlderSeverities = orjson.loads(connection.execute(_OLDER, (after, PORTION)).fetchone()[0])
    return found


def _urgencies(found: OlderSeverities) -> Mapping[int, int]:
    """By number, where it is another than was assumed."""
    known = {severity.value: urgency for severity, urgency in URGENCY.items()}
    urgencies = {number: known.get(severity or "", _ASSUMED) for number, severity in found}
    return {number: urgency for number, urgency in urgencies.items() if urgency != _ASSUMED}


def _give(connection: sqlite3.Connection, urgencies: Mapping[int, int]) -> int:
    return connection.execute(_GIVE, (orjson.dumps(list(urgencies.items())).decode(),)).rowcount
