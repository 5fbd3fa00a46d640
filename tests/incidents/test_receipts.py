"""Messages about one incident go out one after the other, and each knows what was answered to those before it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import pytest

from router.incidents import ledger
from router.incidents.incident import Incident
from router.outbox import Accepted, Delivery, DeliverySelection, Postponed, Queue, SetAside, Wanted
from router.outbox.protocol import HOLDS_UP
from router.outbox.settlement import RECEIPT_LIMIT
from router.outbox.sqlite import SqliteOutbox
from tests.incidents.stage import NOW
from tests.outbox import test_replacing
from tests.outbox.stage import new

PEOPLE, PAGER = "people", "pager"


def incident(number: int) -> Incident:
    """One that has begun."""
    return Incident(
        id=f"incident-{number}",
        number=number,
        kind="workload",
        cluster="c",
        namespace="shop",
        owner={"api_version": "apps/v1", "kind": "Deployment", "name": "web"},
        claimed_owner=None,
        user="alice",
        first_seen=NOW,
        last_seen=NOW,
        heard_at=0.0,
    )


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    opened = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
    await begin(opened, 1)
    await begin(opened, 2)
    yield opened
    await opened.close()


@pytest.fixture
def queue(outbox: SqliteOutbox) -> Queue:
    return outbox.queue("me")


async def begin(outbox: SqliteOutbox, number: int) -> None:
    def saved(connection: sqlite3.Connection) -> int:
        ledger.save(connection, incident(number), f"subject-{number}", "shop", 0.0, None)
        return 1

    await outbox.change(saved)


async def end(outbox: SqliteOutbox, number: int) -> None:
    """It is over, and forgotten."""

    def forgotten(connection: sqlite3.Connection) -> int:
        connection.execute("UPDATE incidents SET is_open = 0, ended_at = 0 WHERE number = ?", (number,))
        return ledger.forget(connection, 1.0, 100)

    assert await outbox.change(forgotten) == 1


async def tell(
    outbox: SqliteOutbox, name: str, number: int | None = 1, severity: str = "medium", to: Sequence[str] = (PEOPLE,)
) -> None:
    def appended(connection: sqlite3.Connection) -> int:
        ledger.append(
            connection,
            (name, b'{"data":{}}'),
            to,
            severity=severity,
            template="",
            replica="r",
            at=NOW,
            now=outbox.own_time(),
            incident=number,
        )
        return 1

    await outbox.change(appended)


async def claimed(queue: Queue, destination: str = PEOPLE, *, is_probe: bool = False) -> list[Delivery]:
    return list(await queue.claim(destination, Wanted(100, is_probe=is_probe)))


def ids(deliveries: Sequence[Delivery]) -> list[str]:
    return [one.event_id for one in deliveries]


def accepted(name: str, receipt: str = "", destination: str = PEOPLE) -> Accepted:
    return Accepted(destination, name, NOW, 1, receipt=receipt)


async def test_a_later_message_waits_for_the_receipt_of_the_first(outbox: SqliteOutbox, queue: Queue) -> None:
    """Both under way at once, the second could not refer to the first."""
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    await tell(outbox, "resolved")
    first = await claimed(queue)
    meanwhile = await claimed(queue), await queue.next_due(PEOPLE)
    await queue.settle([accepted("opened", "C1 1.5")])
    second = await claimed(queue)
    await queue.settle([accepted("changed")])
    third = await claimed(queue)

    assert (ids(first), first[0].incident, first[0].receipt) == (["opened"], 1, "")
    assert meanwhile == ([], None)
    assert (ids(second), second[0].receipt) == (["changed"], "C1 1.5")
    assert (ids(third), third[0].receipt) == (["resolved"], "C1 1.5")


async def test_whoever_waits_is_told_when_it_is_their_turn(outbox: SqliteOutbox, queue: Queue) -> None:
    told = list[Collection[str] | None]()
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    await claimed(queue)
    queue.subscribe(told.append)
    await queue.settle([accepted("opened")])

    assert {PEOPLE} in [set(one or ()) for one in told]


async def test_others_do_not_wait(outbox: SqliteOutbox, queue: Queue) -> None:
    """Neither other incidents, nor other destinations, nor what is about no incident at all."""
    await tell(outbox, "opened", to=(PEOPLE, PAGER))
    await tell(outbox, "changed", to=(PAGER,))
    await tell(outbox, "other", 2)
    await tell(outbox, "notice-1", None)
    await tell(outbox, "notice-2", None)
    await outbox.append(new("decision", PEOPLE))

    assert set(ids(await claimed(queue))) == {"opened", "other", "notice-1", "notice-2", "decision"}
    assert ids(await claimed(queue, PAGER)) == ["opened"]


async def test_a_receipt_is_of_one_incident_and_destination(outbox: SqliteOutbox, queue: Queue) -> None:
    await tell(outbox, "opened", to=(PEOPLE, PAGER))
    await tell(outbox, "other", 2)
    await claimed(queue)
    await claimed(queue, PAGER)
    await queue.settle([accepted("opened", "mine"), accepted("opened", destination=PAGER), accepted("other", "its")])
    await tell(outbox, "opened again", to=(PEOPLE, PAGER))
    await tell(outbox, "other again", 2)
    found = {one.event_id: one.receipt for one in await claimed(queue)}

    assert found == {"opened again": "mine", "other again": "its"}
    assert [one.receipt for one in await claimed(queue, PAGER)] == [""]


async def test_what_goes_before_something_urgent_is_as_urgent(outbox: SqliteOutbox, queue: Queue) -> None:
    """Otherwise the news that matters would wait behind everybody's trifles."""
    await tell(outbox, "trifle", 2, "medium")
    await tell(outbox, "opened", 1, "medium")
    await tell(outbox, "changed", 1, "critical")
    found = await claimed(queue)

    assert [(one.event_id, one.severity.value) for one in found] == [("opened", "critical"), ("trifle", "medium")]


@pytest.mark.parametrize("how", ["set aside", "discarded"])
async def test_what_never_arrives_holds_nobody_up(outbox: SqliteOutbox, queue: Queue, how: str) -> None:
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    await claimed(queue)
    if how == "set aside":
        await queue.settle([SetAside(PEOPLE, "opened", NOW, 1, "http_400")])
    else:
        assert await outbox.discard(DeliverySelection(events=["opened"]), NOW) == 1
    (found,) = await claimed(queue)

    assert (found.event_id, found.receipt, found.is_late) == ("changed", "", False)


async def test_what_fails_again_and_again_holds_nobody_up_for_ever(outbox: SqliteOutbox, queue: Queue) -> None:
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    for attempt in range(1, HOLDS_UP + 1):
        assert ids(await claimed(queue)) == ["opened"]
        await queue.settle([Postponed(PEOPLE, "opened", 0.0, attempt, "http_500")])

    assert set(ids(await claimed(queue))) == {"opened", "changed"}


async def test_a_probe_keeps_the_order_too(outbox: SqliteOutbox, queue: Queue) -> None:
    await tell(outbox, "opened")
    await tell(outbox, "changed")

    assert ids(await claimed(queue, is_probe=True)) == ["opened"]


async def test_what_is_replayed_after_a_later_one_is_known_to_be_late(outbox: SqliteOutbox, queue: Queue) -> None:
    """What it says is no news any more: it must not take the place of what is shown."""
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    await claimed(queue)
    await queue.settle([SetAside(PEOPLE, "opened", NOW, 1, "http_400")])
    await claimed(queue)
    await queue.settle([accepted("changed", "C1 2.5")])
    replayed = await outbox.replay(DeliverySelection(events=["opened"]))
    (late,) = await claimed(queue)
    await queue.settle([accepted("opened", "C1 2.5")])
    await tell(outbox, "resolved")
    (after,) = await claimed(queue)

    assert replayed == 1
    assert (late.event_id, late.receipt, late.is_late) == ("opened", "C1 2.5", True)
    assert (after.receipt, after.is_late) == ("C1 2.5", False)


async def test_a_receipt_of_any_length_is_taken_and_a_long_one_not_kept(outbox: SqliteOutbox, queue: Queue) -> None:
    """A receiver chooses it."""
    for name, receipt in (("fits", "r" * RECEIPT_LIMIT), ("too long", "x" * (RECEIPT_LIMIT + 1))):
        await tell(outbox, name)
        await claimed(queue)
        await queue.settle([accepted(name, receipt)])
    await tell(outbox, "after")

    assert [one.receipt for one in await claimed(queue)] == ["r" * RECEIPT_LIMIT]


async def test_receipts_go_with_their_incident(outbox: SqliteOutbox, queue: Queue) -> None:
    await tell(outbox, "opened")
    await tell(outbox, "other", 2)
    await tell(outbox, "late")
    await claimed(queue)
    await queue.settle([accepted("opened", "1"), accepted("other", "2")])
    await claimed(queue)
    await end(outbox, 1)
    await queue.settle([accepted("late", "3")])
    kept = await outbox.read(
        lambda connection: connection.execute("SELECT incident, receipt FROM incident_receipts").fetchall()
    )

    assert kept == [(2, "2")]


async def test_a_restart_forgets_no_receipt(outbox: SqliteOutbox, queue: Queue, tmp_path: Path) -> None:
    await tell(outbox, "opened")
    await claimed(queue)
    await queue.settle([accepted("opened", "C1 1.5")])
    await tell(outbox, "changed")
    await outbox.close()
    again = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
    (found,) = await claimed(again.queue("me"))
    await again.close()

    assert found.receipt == "C1 1.5"


async def test_what_was_under_way_when_the_router_died_is_sent_again(
    outbox: SqliteOutbox, queue: Queue, tmp_path: Path
) -> None:
    """Its answer is lost with the router; the later message still waits for it."""
    await tell(outbox, "opened")
    await tell(outbox, "changed")
    before = await claimed(queue)
    await outbox.close()
    again = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
    found = await claimed(again.queue("me"))
    await again.queue("me").settle([accepted("opened", "C1 9.5")])
    after = await claimed(again.queue("me"))
    await again.close()

    assert ids(before) == ids(found) == ["opened"]
    assert [(one.event_id, one.receipt) for one in after] == [("changed", "C1 9.5")]


async def test_a_lost_file_takes_no_receipt_with_it(tmp_path: Path) -> None:
    path, heard = tmp_path / "lost.db", test_replacing.Heard()
    outbox = await test_replacing.opened(path, heard)
    queue = outbox.queue("me")
    await begin(outbox, 1)
    await tell(outbox, "opened")
    await claimed(queue)
    await queue.settle([accepted("opened", "C1 1.5")])
    await tell(outbox, "changed")
    held = await claimed(queue)
    await tell(outbox, "resolved")
    path.unlink()
    await test_replacing.looked_after(outbox)
    await queue.release(PEOPLE, ids(held))
    found = await claimed(queue)
    await outbox.close()

    assert [(one.event_id, one.incident, one.receipt) for one in found] == [("changed", 1, "C1 1.5")]
