"""Events of other replicas are taken once, in order, and kept until incidents were made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from router.incidents import ledger
from router.outbox.collected import Collected, collect
from router.outbox.protocol import SAME_WITHIN
from router.outbox.queries import forgettable
from router.outbox.sqlite import SqliteOutbox
from router.outbox.stored import Stretch
from tests.incidents.stage import NOW
from tests.incidents.test_driver import bad


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    opened = await SqliteOutbox.open(tmp_path / "outbox.db", "gatecrier-0")
    await opened.change(ledger.begin)
    yield opened
    await opened.close()


def of_other(event_id: str, at: float = NOW) -> Collected:
    """An event as another replica hands it over."""
    made = bad(event_id)
    return Collected(event_id, at, made.body, made.incident_routes)


async def taken(outbox: SqliteOutbox, *events: Collected) -> int:
    return await outbox.change(partial(collect, replica="gatecrier-1", events=events))


async def unconsumed(outbox: SqliteOutbox, limit: int = 100) -> Sequence[str]:
    return [one.id for one in await outbox.read(partial(ledger.unconsumed, limit=limit))]


async def test_they_are_consumed_after_our_own_in_the_order_of_coming(outbox: SqliteOutbox) -> None:
    await taken(outbox, of_other("b"), of_other("a"))
    await outbox.append(bad("own"))
    await taken(outbox, of_other("c"))

    assert await unconsumed(outbox) == ["own", "b", "a", "c"]
    assert await unconsumed(outbox, 2) == ["own", "b"]


async def test_one_is_taken_once(outbox: SqliteOutbox) -> None:
    await outbox.append(bad("own"))

    assert await taken(outbox, of_other("a"), of_other("a"), of_other("own")) == 1
    assert await taken(outbox, of_other("a", NOW + SAME_WITHIN / 2), of_other("b")) == 1
    assert await unconsumed(outbox) == ["own", "a", "b"]


async def test_one_id_at_two_times_is_two_events(outbox: SqliteOutbox) -> None:
    """Also where both come in one batch, after an outage: neither is left out, and their order is kept."""
    late = NOW + 2 * SAME_WITHIN

    assert await taken(outbox, of_other("a"), of_other("b"), of_other("a", late), of_other("a", late + 1)) == 3
    assert await unconsumed(outbox) == ["a", "b", "a"]


async def test_our_own_that_was_collected_before_is_not_stored_anew(outbox: SqliteOutbox) -> None:
    """The API server asks again, at another replica: whoever had it first delivers it."""
    await taken(outbox, of_other("a"))
    number = await outbox.append(bad("a", "siem"))

    assert number.replica == "gatecrier-1"
    assert await unconsumed(outbox) == ["a"]


async def test_they_leave_no_gap_between_our_own(outbox: SqliteOutbox) -> None:
    numbers = [(await outbox.append(bad("1"))).sequence]
    await taken(outbox, of_other("a"))
    numbers.append((await outbox.append(bad("2"))).sequence)

    assert numbers == [1, 2]
    assert [one.id for one in await outbox.events(Stretch(), 10)] == ["2", "1"]


async def test_what_was_not_consumed_is_not_forgotten(outbox: SqliteOutbox) -> None:
    await taken(outbox, of_other("a"), of_other("b"))
    old = partial(forgettable, before=NOW + 1e9)

    assert await outbox.read(old) == []
    first, _ = await outbox.read(partial(ledger.unconsumed, limit=10))
    await outbox.change(partial(_note, events=[first]))
    assert await outbox.read(old) == [first.sequence]
    assert await unconsumed(outbox) == ["b"]


def _note(connection: sqlite3.Connection, events: Sequence[ledger.Stored]) -> int:
    ledger.note_consumed(connection, events)
    return 0


async def test_what_another_may_know_of_is_not_withdrawn(outbox: SqliteOutbox) -> None:
    await outbox.append(bad("a"))
    (stored,) = await outbox.read(partial(ledger.unconsumed_of_own, limit=10))

    def offer(connection: sqlite3.Connection) -> int:
        ledger.note_offered(connection, [stored])
        return 0

    await outbox.change(offer)

    assert await outbox.withdraw(["a"]) == frozenset()
