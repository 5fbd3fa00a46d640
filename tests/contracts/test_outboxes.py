"""What every outbox promises, wherever it keeps what it was given.

An implementation joins with an entry in `OUTBOXES`: given an empty folder of the test's own, and the clock by which
claims expire, it opens the outbox that belongs to it; with the same folder again after closing, the same one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from router.errors import OutboxError
from router.events import EVENT_LIMIT
from router.outbox import (
    KEPT,
    LEASE,
    LONGEST_DELAY,
    URGENCY,
    Accepted,
    Attempt,
    DeliveryRow,
    DeliverySelection,
    DeliveryState,
    Intake,
    NewEvent,
    Number,
    Postponed,
    Queue,
    Records,
    SetAside,
    Settlement,
    Waiting,
    Wanted,
)
from router.outbox.sqlite import SqliteOutbox
from router.verdict import Severity
from tests.outbox import tables
from tests.outbox.memory import MemoryOutbox

ME, OTHER, REPLICA = "owner-1", "owner-2", "replica-1"
EVERYTHING = DeliverySelection()
PENDING, DELIVERED, ASIDE, DISCARDED = DeliveryState


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Outbox(Intake, Records, Protocol):
    """All three roles."""

    def queue(self, owner: str) -> Queue:
        """What this owner has to deliver."""


Opener = Callable[[Path, Clock], Awaitable[Outbox]]


def memory() -> Opener:
    """Outboxes that outlive whoever opened them."""
    found: dict[Path, MemoryOutbox] = {}

    async def opened(folder: Path, clock: Clock) -> Outbox:
        outbox = found.setdefault(folder, MemoryOutbox(REPLICA, clock))
        outbox.is_closed = False
        return outbox

    return opened


async def sqlite(folder: Path, clock: Clock) -> Outbox:
    """A file."""
    tables.prepare(folder / "outbox.db")
    return await SqliteOutbox.open(folder / "outbox.db", REPLICA, clock=clock, time_of_day=clock)


OUTBOXES: dict[str, Opener] = {"sqlite": sqlite, "memory": memory()}


@pytest.fixture(params=OUTBOXES)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OUTBOXES[request.param]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def outbox(opener: Opener, tmp_path: Path, clock: Clock) -> AsyncIterator[Outbox]:
    opened = await opener(tmp_path, clock)
    yield opened
    await opened.close()


@pytest.fixture
def queue(outbox: Outbox) -> Queue:
    return outbox.queue(ME)


def new(
    event_id: str,
    *destinations: str,
    at: float = 100.0,
    delivered_to: Sequence[str] = (),
    severity: Severity = Severity.INFO,
) -> NewEvent:
    body = b'{"id":"%b","data":{"a":"\xc3\xa4 \\" \\u0000"}}' % event_id.encode()
    return NewEvent(event_id, body, at, destinations or ("slack",), delivered_to, severity)


async def appended(outbox: Outbox, *event_ids: str, to: Sequence[str] = ("slack",)) -> None:
    for number, event_id in enumerate(event_ids):
        await outbox.append(new(event_id, *to, at=100.0 + number))


async def claimed(outbox: Outbox, destination: str = "slack", limit: int = 100) -> list[str]:
    return [one.event_id for one in await outbox.queue(ME).claim(destination, Wanted(limit))]


def heard_by(queue: Queue) -> list[set[str] | None]:
    """What a subscriber is told from now on."""
    told: list[set[str] | None] = []
    queue.subscribe(lambda destinations: told.append(None if destinations is None else set(destinations)))
    return told


async def states(outbox: Outbox) -> dict[tuple[str, str], DeliveryState]:
    return {(row.event_id, row.destination): row.state for row in await outbox.deliveries(EVERYTHING, 1000)}


# Appending.


async def test_events_are_numbered_in_the_order_of_appending(outbox: Outbox) -> None:
    one_by_one = [await outbox.append(new("a")), await outbox.append(new("b"))]
    together = await asyncio.gather(*(outbox.append(new(f"together-{number}")) for number in range(300)))

    assert one_by_one + together == [Number(REPLICA, number) for number in range(1, 303)]


async def test_the_same_event_again_is_the_same_event(outbox: Outbox) -> None:
    """The API server repeats calls; what was stored first stays, and no number is spent."""
    first = await outbox.append(new("a", "slack"))
    again = await outbox.append(replace(new("a", "slack", "siem"), body=b'{"data":{"other":1}}'))
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert (first.sequence, again.sequence) == (1, 1)
    assert list(await states(outbox)) == [("a", "slack")]
    assert b"other" not in delivery.body
    assert (await outbox.append(new("b"))).sequence == 2


async def test_the_same_event_twice_at_once_is_one_event(outbox: Outbox) -> None:
    numbers = await asyncio.gather(*(outbox.append(new(event_id)) for event_id in "abacab"))

    assert [number.sequence for number in numbers] == [1, 2, 1, 3, 1, 2]
    assert len(await outbox.deliveries(EVERYTHING, 100)) == 3


async def test_an_event_for_nobody_is_stored_and_waits_for_nobody(outbox: Outbox) -> None:
    numbers = await outbox.append(NewEvent("a", b'{"data":{"a":1}}', 100.0, ())), await outbox.append(new("b"))

    assert [number.sequence for number in numbers] == [1, 2]
    assert list(await states(outbox)) == [("b", "slack")]


async def test_who_has_an_event_already_does_not_get_it_again(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack", "siem", delivered_to=["siem"]))

    assert await claimed(outbox, "siem") == []
    assert await states(outbox) == {("a", "slack"): PENDING, ("a", "siem"): DELIVERED}


async def test_a_destination_that_is_named_twice_gets_an_event_once(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack", "slack"))

    assert await claimed(outbox) == ["a"]


async def test_an_event_for_more_destinations_than_a_statement_takes_is_stored(outbox: Outbox) -> None:
    names = [f"destination-{number}" for number in range(700)]
    await outbox.append(new("a", *names))

    assert {name: of.pending for name, of in (await outbox.waiting()).items()} == dict.fromkeys(names, 1)


async def test_a_body_that_is_larger_than_any_event_is_refused_and_the_largest_is_kept(outbox: Outbox) -> None:
    largest = b'{"data":{"a":"' + b"x" * (EVENT_LIMIT - 17) + b'"}}'
    with pytest.raises(OutboxError, match=f"bytes; at most {EVENT_LIMIT} are kept"):
        await outbox.append(replace(new("too large"), body=largest + b" "))
    assert (await outbox.append(replace(new("large"), body=largest))).sequence == 1
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert delivery.body == largest[:-2] + b',"sequence":1}}'


async def test_what_can_not_be_stored_disturbs_nobody_else(outbox: Outbox) -> None:
    done = await asyncio.gather(
        outbox.append(new("a")),
        outbox.append(NewEvent("\ud800", b'{"data":{"a":1}}', 1.0, ["slack"])),
        outbox.append(new("b")),
        return_exceptions=True,
    )

    assert [done[0], done[2]] == [Number(REPLICA, 1), Number(REPLICA, 2)]
    assert isinstance(done[1], OutboxError)


async def test_subscribers_hear_of_new_events_before_their_appenders(outbox: Outbox, queue: Queue) -> None:
    told = heard_by(queue)
    await outbox.append(new("a", "slack", "siem"))

    assert told == [{"slack", "siem"}]


async def test_subscribers_hear_of_an_event_whose_appender_has_gone(outbox: Outbox, queue: Queue) -> None:
    told = heard_by(queue)
    gone = asyncio.create_task(outbox.append(new("gone", "siem")))
    await asyncio.sleep(0)
    gone.cancel()
    await outbox.append(new("next", "slack"))

    assert {name for one in told for name in one or ()} == {"siem", "slack"}


# Withdrawing.


async def test_what_nobody_heard_of_is_withdrawn_and_leaves_no_gap(outbox: Outbox) -> None:
    await appended(outbox, "a", "b", "c")
    gone = await outbox.withdraw(["b", "c"])
    number = await outbox.append(new("d"))

    assert gone == {"b", "c"}
    assert number == Number(REPLICA, 2)
    assert list(await states(outbox)) == [("d", "slack"), ("a", "slack")]
    assert await claimed(outbox) == ["a", "d"]


async def test_what_was_never_stored_needs_no_correction(outbox: Outbox) -> None:
    assert await outbox.withdraw(["unknown"]) == {"unknown"}
    assert await outbox.withdraw([]) == set()


async def tried(outbox: Outbox) -> None:
    await claimed(outbox)
    await outbox.queue(ME).settle([Postponed("slack", "a", 300.0, 1, "timeout")])


async def discarded(outbox: Outbox) -> None:
    await outbox.discard(EVERYTHING, 300.0)


@pytest.mark.parametrize(
    "happens",
    [
        claimed,
        tried,
        discarded,
        lambda outbox: outbox.append(new("a")),
        lambda outbox: outbox.append(new("b")),
    ],
    ids=["claimed", "tried", "discarded", "appended again", "followed by another"],
)
async def test_what_somebody_may_know_or_rely_on_is_not_withdrawn(
    outbox: Outbox, happens: Callable[[Outbox], Awaitable[object]]
) -> None:
    """Whoever was told of it must hear of the correction, and a number that nobody gets says that an event was lost."""
    await outbox.append(new("a"))
    await happens(outbox)
    before = await states(outbox)

    assert await outbox.withdraw(["a"]) == set()
    assert await states(outbox) == before


async def test_what_a_receiver_has_already_is_not_withdrawn(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack", "siem", delivered_to=["siem"]))

    assert await outbox.withdraw(["a"]) == set()


async def test_a_claim_that_was_given_back_untried_does_not_keep_an_event_from_being_withdrawn(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.queue(ME).release("slack", ["a"])

    assert await outbox.withdraw(["a"]) == {"a"}


async def test_an_append_that_is_given_up_under_way_is_withdrawn(outbox: Outbox) -> None:
    """Whoever gave up waiting does not know what becomes of it: the withdrawal does."""
    given_up = asyncio.create_task(outbox.append(new("a")))
    await asyncio.sleep(0)
    given_up.cancel()
    gone = await outbox.withdraw(["a"])

    assert gone == {"a"}
    assert await claimed(outbox) == []
    assert (await outbox.append(new("a"))).sequence == 1


async def test_an_event_that_is_appended_again_after_its_withdrawal_is_a_new_one(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack"))
    gone, number = await asyncio.gather(outbox.withdraw(["a"]), outbox.append(new("a", "siem")))

    assert (gone, number.sequence) in [({"a"}, 1), (set(), 1)]
    assert list(await states(outbox)) == [("a", "siem" if gone else "slack")]


# Claiming.


async def test_a_delivery_carries_the_whole_event(outbox: Outbox) -> None:
    await outbox.append(new("a", at=123.5))
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert delivery.body == b'{"id":"a","data":{"a":"\xc3\xa4 \\" \\u0000","sequence":1}}'
    assert (delivery.destination, delivery.number, delivery.event_id) == ("slack", Number(REPLICA, 1), "a")
    assert (delivery.attempts, delivery.tried_for, delivery.appended_at) == (0, 0.0, 123.5)
    assert (delivery.severity, delivery.refusals, delivery.refused_for) == (Severity.INFO, 0, None)


CRITICAL, HIGH, MEDIUM, INFO = Severity


async def test_the_most_urgent_is_claimed_first_and_among_those_the_oldest(outbox: Outbox) -> None:
    told = (("1", INFO), ("2", HIGH), ("3", MEDIUM), ("4", CRITICAL), ("5", HIGH), ("6", INFO))
    for event_id, severity in told:
        await outbox.append(new(event_id, severity=severity))

    assert [await claimed(outbox, limit=2) for _ in range(4)] == [["4", "2"], ["5", "3"], ["1", "6"], []]


async def test_every_eighth_is_the_oldest_that_may_be_tried(outbox: Outbox) -> None:
    """Whoever makes urgent events without end must not keep others from being told."""
    for number in range(3):
        await outbox.append(new(f"old-{number}"))
    for number in range(20):
        await outbox.append(new(f"urgent-{number:02}", severity=HIGH))
    first = await claimed(outbox, limit=16)
    (alone,) = await outbox.queue(ME).claim("slack", Wanted(1, turn=7))

    assert first == [*(f"urgent-{number:02}" for number in range(14)), "old-0", "old-1"]
    assert alone.event_id == "old-2"


async def test_only_what_is_more_urgent_is_claimed_where_that_is_asked(outbox: Outbox) -> None:
    await outbox.append(new("a", severity=MEDIUM))
    await outbox.append(new("b", severity=HIGH))
    found = await outbox.queue(ME).claim("slack", Wanted(10, above=MEDIUM))

    assert [one.event_id for one in found] == ["b"]


async def test_what_is_due_again_takes_its_old_place(outbox: Outbox, clock: Clock) -> None:
    for event_id, severity in (("a", INFO), ("b", INFO), ("c", HIGH), ("d", HIGH)):
        await outbox.append(new(event_id, severity=severity))
    await outbox.queue(ME).settle([Postponed("slack", one, delay, 1, "x") for one, delay in (("a", 5.0), ("c", 9.0))])
    before = await claimed(outbox)
    await outbox.queue(ME).release("slack", before)
    clock.now += 9.0

    assert before == ["d", "b"]
    assert await claimed(outbox) == ["c", "d", "a", "b"]


async def test_a_claim_takes_no_more_bytes_than_there_is_room_for(outbox: Outbox) -> None:
    await appended(outbox, "a", "b", "c")
    length = len(new("a").body)
    two = await outbox.queue(ME).claim("slack", Wanted(9, room=2 * length))
    one = await outbox.queue(ME).claim("slack", Wanted(9, room=0))

    assert [[delivery.event_id for delivery in some] for some in (two, one)] == [["a", "b"], ["c"]]


async def test_a_probe_is_the_newest_that_was_never_tried_then_what_was_refused_first(
    outbox: Outbox, clock: Clock
) -> None:
    """What everybody knows to fail says nothing about whether others would be taken."""
    await appended(outbox, "a", "b", "c", "d")
    await outbox.queue(ME).settle([Postponed("slack", "d", 0.0, 1, "x", is_refused=True)])
    clock.now += 1.0
    await outbox.queue(ME).settle([Postponed("slack", "c", 0.0, 1, "x", is_refused=True)])
    probe = Wanted(1, is_probe=True)
    found = [await outbox.queue(ME).claim("slack", probe) for _ in range(5)]

    assert [one.event_id for some in found for one in some] == ["b", "a", "d", "c"]


async def test_what_was_never_tried_is_due_at_once_whatever_the_time_of_day_was(outbox: Outbox) -> None:
    """A clock that is set back for hours must not stop delivery for hours."""
    await outbox.append(new("a", at=1e9))

    assert await outbox.queue(ME).next_due("slack") == 0.0
    assert await claimed(outbox) == ["a"]


async def test_claims_exclude_each_other(outbox: Outbox) -> None:
    await appended(outbox, *"abcdefgh")
    claims = await asyncio.gather(*(claimed(outbox, limit=3) for _ in range(4)))

    assert sorted(event_id for claim in claims for event_id in claim) == list("abcdefgh")


async def test_claims_of_one_destination_are_no_business_of_another(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack", "siem"))

    assert await claimed(outbox, "slack") == ["a"]
    assert await claimed(outbox, "siem") == ["a"]


async def test_a_released_claim_is_free_again(outbox: Outbox) -> None:
    await appended(outbox, "a", "b", to=["slack", "siem"])
    await claimed(outbox)
    await claimed(outbox, "siem")
    await outbox.queue(ME).release("slack", ["b"])

    assert await claimed(outbox) == ["b"]
    assert await claimed(outbox, "siem") == []


async def test_an_owner_that_begins_anew_takes_its_own_back_at_once(
    opener: Opener, tmp_path: Path, clock: Clock
) -> None:
    """What a killed process had claimed must not wait until its claims expire."""
    first = await opener(tmp_path, clock)
    await appended(first, "a")
    await claimed(first)
    await first.close()
    second = await opener(tmp_path, clock)
    await second.queue(ME).rescue()
    found = await claimed(second)
    await second.close()

    assert found == ["a"]


async def test_two_owners_never_hold_the_same_delivery(outbox: Outbox) -> None:
    await appended(outbox, *"abcdef")
    mine = await claimed(outbox, limit=2)
    others = [one.event_id for one in await outbox.queue(OTHER).claim("slack", Wanted(3))]

    assert (mine, others) == (["a", "b"], ["c", "d", "e"])
    assert await outbox.queue(OTHER).next_due("slack") == 0.0


async def test_nobody_gives_back_what_another_holds(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.queue(OTHER).release("slack", ["a"])
    await outbox.queue(OTHER).rescue()

    assert not await outbox.queue(OTHER).claim("slack", Wanted(1))


async def test_claims_of_an_owner_that_is_not_heard_of_expire(outbox: Outbox, clock: Clock) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    clock.now += LEASE - 1
    assert not await outbox.queue(OTHER).claim("slack", Wanted(1))
    assert await outbox.queue(OTHER).next_due("slack") is None
    clock.now += 1
    assert await outbox.queue(OTHER).next_due("slack") == 0.0
    (taken,) = await outbox.queue(OTHER).claim("slack", Wanted(1))

    assert taken.event_id == "a"


async def test_an_owner_that_is_heard_of_keeps_its_claims(outbox: Outbox, clock: Clock) -> None:
    """A receiver may take longer over an attempt than claims last."""
    await appended(outbox, "a")
    await claimed(outbox)
    for _ in range(5):
        clock.now += LEASE - 1
        await outbox.queue(ME).renew()

    assert not await outbox.queue(OTHER).claim("slack", Wanted(1))


async def test_an_owner_that_was_held_up_gets_nothing_twice_that_nobody_took(outbox: Outbox, clock: Clock) -> None:
    """A process that was stopped for an hour still has its attempts under way."""
    await appended(outbox, "a", "b")
    await claimed(outbox, limit=1)
    clock.now += 3600.0

    assert await claimed(outbox) == ["b"]


@pytest.mark.parametrize(
    ("settlement", "state"),
    [
        (Accepted("slack", "a", 900.0, 1), DELIVERED),
        (Postponed("slack", "a", 900.0, 1, "late"), PENDING),
        (SetAside("slack", "a", 900.0, 1, "late"), PENDING),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_of_a_claim_that_was_lost_only_an_acceptance_counts(
    outbox: Outbox, clock: Clock, settlement: Settlement, state: DeliveryState
) -> None:
    """The new owner's attempt is under way: only the receiver's word is true whoever brings it."""
    await appended(outbox, "a")
    await claimed(outbox)
    clock.now += LEASE
    await outbox.queue(OTHER).claim("slack", Wanted(1))
    await outbox.queue(ME).settle([settlement])
    (row,) = await outbox.deliveries(EVERYTHING, 10)

    assert row.state is state
    assert (row.attempts == 0) is (state is PENDING)
    assert await claimed(outbox) == []


async def test_who_waits_is_told_of_everything_that_makes_a_delivery_due_earlier(outbox: Outbox, queue: Queue) -> None:
    """Nobody asks again and again; what is not told is found by nobody."""
    told = heard_by(outbox.queue(OTHER))
    steps = (
        lambda: outbox.append(new("a")),
        lambda: queue.claim("slack", Wanted(1)),
        lambda: queue.settle([Postponed("slack", "a", 0.0, 1, "timeout")]),
        lambda: queue.claim("slack", Wanted(1)),
        lambda: queue.release("slack", ["a"]),
        lambda: queue.claim("slack", Wanted(1)),
        queue.rescue,
        lambda: outbox.replay(EVERYTHING),
    )
    heard = list[bool]()
    for step in steps:
        told.clear()
        await step()
        heard.append(any(one is None or "slack" in one for one in told))

    assert heard == [True, False, True, False, True, False, True, True]


async def test_the_next_due_is_of_what_nobody_has_claimed(outbox: Outbox, clock: Clock) -> None:
    assert await outbox.queue(ME).next_due("slack") is None
    await appended(outbox, "a", "b", "c")
    await outbox.queue(ME).settle([Postponed("slack", "c", 500.0, 1, "timeout")])
    assert await outbox.queue(ME).next_due("slack") == 0.0
    await claimed(outbox, limit=1)
    assert await outbox.queue(ME).next_due("slack") == 0.0
    await claimed(outbox, limit=1)
    clock.now += 100.0

    assert await outbox.queue(ME).next_due("slack") == 400.0
    assert await outbox.queue(ME).next_due("siem") is None


# Settling.


async def test_what_was_accepted_is_done_with(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.queue(ME).settle([Accepted("slack", "a", 200.0, 2)])
    (row,) = await outbox.deliveries(EVERYTHING, 10)

    assert row == DeliveryRow(Number(REPLICA, 1), "a", "slack", DELIVERED, 2, "", 100.0, None, 200.0)
    assert await claimed(outbox) == []


async def test_what_was_postponed_is_claimed_again_when_it_is_due(outbox: Outbox, clock: Clock) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.queue(ME).settle([Postponed("slack", "a", 200.0, 1, "timeout", "try later", 2, is_refused=True)])
    (row,) = await outbox.deliveries(EVERYTHING, 10)
    assert row == DeliveryRow(
        Number(REPLICA, 1), "a", "slack", PENDING, 1, "timeout", 100.0, 300.0, None, Severity.INFO, "try later"
    )
    clock.now += 199.0
    assert await claimed(outbox) == []
    clock.now += 1.0
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert (delivery.attempts, delivery.tried_for, delivery.refusals, delivery.refused_for) == (1, 200.0, 2, 200.0)


async def test_the_first_attempt_stays_the_first(outbox: Outbox, clock: Clock) -> None:
    """From it on the destination's patience is counted."""
    await appended(outbox, "a")
    for attempt in (1, 2):
        await claimed(outbox)
        await outbox.queue(ME).settle([Postponed("slack", "a", 10.0, attempt, "timeout")])
        clock.now += 10.0
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert (delivery.attempts, delivery.tried_for, delivery.refused_for) == (2, 20.0, None)


async def test_attempts_are_kept_with_their_delivery(outbox: Outbox) -> None:
    """The first one, with which the trouble began, and the last ones; a replay takes none of them away."""
    await appended(outbox, "a", "b")
    made = [Attempt(100.25 + n, 0.5, "http_503", 503, f'try "{n}" later\0\n') for n in range(KEPT + 5)]
    for number, attempt in enumerate(made, 1):
        await outbox.queue(ME).settle([Postponed("slack", "a", 1.0, number, "http_503", attempt=attempt)])
    await outbox.queue(ME).settle(
        [SetAside("slack", "a", 300.0, 16, "http_400", attempt=Attempt(300.0, 1, "http_400"))]
    )
    await outbox.replay(EVERYTHING)
    await outbox.queue(ME).settle([Accepted("slack", "a", 301.0, 1, Attempt(301.0, 0.25, status=204))])
    b, a = await outbox.deliveries(EVERYTHING, 9)

    expected = [structs.replace(one, words=one.words.replace("\0", "\ufffd")) for one in (made[0], *made[-KEPT + 3 :])]
    assert a.tried == (*expected, Attempt(300.0, 1, "http_400"), Attempt(301.0, 0.25, status=204))
    assert [one.is_accepted for one in a.tried] == [False] * (KEPT - 1) + [True]
    assert b.tried == ()


async def test_what_is_settled_without_an_attempt_adds_none(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await outbox.queue(ME).settle([SetAside("slack", "a", 300.0, 1, "outbox_full")])
    (row,) = await outbox.deliveries(EVERYTHING, 9)

    assert row.tried == ()


async def test_nothing_is_put_off_for_longer_than_anything_may_be(outbox: Outbox, clock: Clock) -> None:
    await appended(outbox, "a")
    await outbox.queue(ME).settle([Postponed("slack", "a", 1e9, 1, "timeout")])
    clock.now += LONGEST_DELAY

    assert await claimed(outbox) == ["a"]


async def test_what_was_set_aside_waits_for_an_operator(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.queue(ME).settle([SetAside("slack", "a", 200.0, 3, "http_400")])
    (row,) = await outbox.deliveries(EVERYTHING, 10)

    assert row == DeliveryRow(Number(REPLICA, 1), "a", "slack", ASIDE, 3, "http_400", 100.0, None, 200.0)
    assert await claimed(outbox) == []
    assert await outbox.queue(ME).next_due("slack") is None


async def test_many_are_settled_at_once_each_for_itself(outbox: Outbox) -> None:
    await appended(outbox, "a", "b", "c", to=["slack", "siem"])
    await claimed(outbox)
    await outbox.queue(ME).settle(
        [
            Accepted("slack", "a", 200.0, 1),
            Postponed("slack", "b", 300.0, 1, "timeout"),
            SetAside("siem", "c", 200.0, 1, "http_400"),
        ]
    )

    assert await states(outbox) == {
        ("a", "slack"): DELIVERED, ("b", "slack"): PENDING, ("c", "slack"): PENDING,
        ("a", "siem"): PENDING, ("b", "siem"): PENDING, ("c", "siem"): ASIDE,
    }  # fmt: skip


async def test_settling_nothing_is_nothing(outbox: Outbox) -> None:
    await outbox.queue(ME).settle([])

    assert await outbox.waiting() == {}


@pytest.mark.parametrize(
    "settlement",
    [
        Accepted("slack", "a", 900.0, 9),
        Postponed("slack", "a", 900.0, 9, "late"),
        SetAside("slack", "a", 900.0, 9, "late"),
    ],
    ids=lambda settlement: type(settlement).__name__,
)
async def test_settling_what_was_discarded_meanwhile_changes_nothing(outbox: Outbox, settlement: Settlement) -> None:
    """The operator's word stands: an attempt that was under way can't take it back."""
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.discard(EVERYTHING, 400.0)
    before = await outbox.deliveries(EVERYTHING, 10)
    await outbox.queue(ME).settle([settlement])

    assert await outbox.deliveries(EVERYTHING, 10) == before
    assert before[0].state is DISCARDED


async def test_settlements_survive_a_restart(opener: Opener, tmp_path: Path, clock: Clock) -> None:
    first = await opener(tmp_path, clock)
    await appended(first, "a", "b", "c", "d")
    await first.queue(ME).settle(
        [
            Accepted("slack", "a", 200.0, 1),
            Postponed("slack", "b", 300.0, 1, "timeout"),
            SetAside("slack", "c", 200.0, 1, "http_400"),
        ]
    )
    before = await first.deliveries(EVERYTHING, 10)
    await first.close()
    second = await opener(tmp_path, clock)
    after = await second.deliveries(EVERYTHING, 10)
    number = await second.append(new("e"))
    await second.close()

    assert after == before
    assert number.sequence == 5


# Operators.


async def a_mixture(outbox: Outbox) -> None:
    """Four events for two destinations, each of `slack` in another state."""
    await appended(outbox, "aside", "waits", "arrived", "gone", to=["slack", "siem"])
    await outbox.queue(ME).settle(
        [SetAside("slack", "aside", 200.0, 3, "http_400"), Accepted("slack", "arrived", 200.0, 1)]
    )
    await outbox.discard(DeliverySelection("slack", events=["gone"]), 250.0)


async def test_deliveries_are_shown_newest_first_and_limited(outbox: Outbox) -> None:
    await a_mixture(outbox)
    rows = await outbox.deliveries(EVERYTHING, 3)

    assert [(row.event_id, row.destination) for row in rows] == [
        ("gone", "siem"),
        ("gone", "slack"),
        ("arrived", "siem"),
    ]


@pytest.mark.parametrize(
    ("selection", "is_open", "expected"),
    [
        (DeliverySelection("slack"), False, ["gone", "arrived", "waits", "aside"]),
        (DeliverySelection("slack"), True, ["waits", "aside"]),
        (DeliverySelection("slack", ASIDE), False, ["aside"]),
        (DeliverySelection("slack", DELIVERED), False, ["arrived"]),
        (DeliverySelection("slack", DELIVERED), True, []),
        (DeliverySelection("slack", DISCARDED), False, ["gone"]),
        (DeliverySelection("slack", events=["waits", "aside", "unknown"]), False, ["waits", "aside"]),
        (DeliverySelection(None, ASIDE), False, ["aside"]),
        (DeliverySelection("nobody"), False, []),
        (DeliverySelection("' OR 1 = 1 --"), False, []),
    ],
)
async def test_a_selection_finds_what_it_says(
    outbox: Outbox,
    selection: DeliverySelection,
    is_open: bool,  # noqa: FBT001 - a parameter of the test
    expected: list[str],
) -> None:
    await a_mixture(outbox)
    rows = await outbox.deliveries(selection, 100, is_open=is_open)

    assert [row.event_id for row in rows] == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (DeliverySelection("slack"), {"aside", "waits"}),
        (DeliverySelection("slack", ASIDE), {"aside"}),
        (DeliverySelection("slack", PENDING), {"waits"}),
        (DeliverySelection("slack", events=["aside", "arrived"]), {"aside"}),
        (DeliverySelection("slack", DELIVERED), set()),
        (DeliverySelection("slack", DISCARDED), set()),
    ],
)
async def test_only_what_waits_or_was_set_aside_is_replayed_or_discarded(
    opener: Opener, tmp_path: Path, clock: Clock, selection: DeliverySelection, expected: set[str]
) -> None:
    """What arrived must not be sent again by a selection that is too wide, and what was given up stays so."""
    for change, after in (("replay", PENDING), ("discard", DISCARDED)):
        folder = tmp_path / change
        folder.mkdir()
        outbox = await opener(folder, clock)
        await a_mixture(outbox)
        before = await states(outbox)
        count = await (outbox.replay(selection) if change == "replay" else outbox.discard(selection, 700.0))
        found = await states(outbox)
        await outbox.close()

        assert count == len(expected)
        assert found == before | {(event_id, "slack"): after for event_id in expected}


@pytest.mark.parametrize("last", [SetAside("slack", "a", 9001.0, 8, "gave_up", "no"), None], ids=["aside", "waits"])
async def test_what_is_replayed_is_due_now_and_has_all_its_attempts_again(
    outbox: Outbox, clock: Clock, last: SetAside | None
) -> None:
    await appended(outbox, "a")
    await outbox.queue(ME).settle([Postponed("slack", "a", 900.0, 7, "timeout", "no", 2, is_refused=True)])
    if last is not None:
        await outbox.queue(ME).settle([last])
    clock.now += 5.0
    await outbox.replay(EVERYTHING)
    (row,) = await outbox.deliveries(EVERYTHING, 10)
    assert row == DeliveryRow(Number(REPLICA, 1), "a", "slack", PENDING, 0, "", 100.0, None, None)
    (delivery,) = await outbox.queue(ME).claim("slack", Wanted(10))

    assert (delivery.event_id, delivery.attempts, delivery.tried_for) == ("a", 0, 0.0)
    assert (delivery.refusals, delivery.refused_for) == (0, None)


async def test_what_is_replayed_elsewhere_goes_there_unless_it_is_there(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await appended(outbox, "b", "c", to=("slack", "siem"))
    queue = outbox.queue(ME)
    await queue.settle([SetAside("slack", event_id, 900.0, 3, "http_400", "no") for event_id in "abc"])
    await queue.settle([Accepted("siem", "b", 900.0, 1), SetAside("siem", "c", 900.0, 3, "http_400")])
    count = await outbox.replay(DeliverySelection("slack"), "siem")
    again = await outbox.replay(DeliverySelection("slack"), "siem")
    rows = await outbox.deliveries(EVERYTHING, 10)
    known = [await outbox.knows(name) for name in ("slack", "siem", "pager")]

    assert (count, again) == (3, 0)
    assert {(row.destination, row.event_id): (row.state, row.reason, row.words) for row in rows} == {
        **{("slack", event_id): (DISCARDED, "replayed_elsewhere", "siem") for event_id in "abc"},
        ("siem", "a"): (PENDING, "", ""),
        ("siem", "b"): (DeliveryState.DELIVERED, "", ""),
        ("siem", "c"): (PENDING, "", ""),
    }
    assert known == [True, True, False]


async def test_what_waits_is_counted_by_destination(outbox: Outbox) -> None:
    await a_mixture(outbox)
    await outbox.queue(ME).settle([SetAside("pager", "aside", 1.0, 1, "nobody asked")])

    assert await outbox.waiting() == {"slack": Waiting(1, 101.0, 1), "siem": Waiting(4, 100.0, 0)}


async def test_a_destination_with_nothing_but_set_aside_deliveries_is_counted(outbox: Outbox) -> None:
    await appended(outbox, "a", "b")
    await outbox.queue(ME).settle([SetAside("slack", "a", 200.0, 3, "http_400"), Accepted("slack", "b", 200.0, 1)])

    assert await outbox.waiting() == {"slack": Waiting(0, None, 1)}


async def test_old_events_are_forgotten_but_never_what_somebody_waits_for(outbox: Outbox, clock: Clock) -> None:
    await a_mixture(outbox)
    clock.now += 500.0
    await outbox.queue(ME).settle([Accepted("siem", event_id, 300.0, 1) for event_id in ("aside", "waits", "arrived")])

    clock.now += 50.0
    assert await outbox.forget(50.0) == 0, "it is kept from when everybody has it"
    assert await outbox.forget(49.0) == 2
    assert {event_id for event_id, _ in await states(outbox)} == {"waits", "gone"}
    assert await outbox.forget(0.0) == 0


async def test_numbers_go_on_when_the_last_event_was_forgotten(opener: Opener, tmp_path: Path, clock: Clock) -> None:
    """A number that is given twice would hide a lost event."""
    first = await opener(tmp_path, clock)
    await appended(first, "a", "b")
    await first.queue(ME).settle([Accepted("slack", event_id, 200.0, 1) for event_id in "ab"])
    clock.now += 500.0
    await first.forget(0.0)
    await first.close()
    second = await opener(tmp_path, clock)
    number = await second.append(new("c"))
    await second.close()

    assert number.sequence == 3


# Closing.


async def test_closing_finishes_what_was_asked_and_refuses_what_follows(
    opener: Opener, tmp_path: Path, clock: Clock
) -> None:
    outbox = await opener(tmp_path, clock)
    asked = [asyncio.create_task(outbox.append(new(f"event-{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    await outbox.close()

    assert [number.sequence for number in await asyncio.gather(*asked)] == list(range(1, 51))
    with pytest.raises(OutboxError, match="closed"):
        await outbox.append(new("after"))


# Everything, in any order, against a model.


def _kept(reason: str) -> str:
    return reason.replace("\0", "\ufffd")


@dataclass
class Model:
    """The rules of the outbox in a few lines of Python."""

    last: int = 0
    ids: dict[str, tuple[int, float]] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    rows: dict[tuple[str, str], DeliveryRow] = field(default_factory=dict)
    due: dict[tuple[str, str], float] = field(default_factory=dict)
    """When what was postponed is due."""
    kept: dict[tuple[str, str], float] = field(default_factory=dict)
    """Since when it is settled."""
    claims: dict[tuple[str, str], str] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)

    def append(self, event: NewEvent, clock: float) -> Number:
        """One event, once."""
        if event.id in self.ids:
            self.repeated.add(event.id)
        else:
            self.last += 1
            self.ids[event.id] = self.last, event.at
            for name in event.destinations:
                number = Number(REPLICA, self.last)
                row = DeliveryRow(number, event.id, name, PENDING, 0, "", event.at, None, None, event.severity)
                if name in event.delivered_to:
                    row = replace(row, state=DELIVERED, attempts=1, settled_at=event.at)
                    self.kept[event.id, name] = clock
                self.rows[event.id, name] = row
        return Number(REPLICA, self.ids[event.id][0])

    def withdraw(self, ids: Sequence[str]) -> set[str]:
        """From the last back."""
        for event_id in sorted(self.ids, key=self.ids.__getitem__, reverse=True):
            rows = [row for row in self.rows.values() if row.event_id == event_id]
            is_touched = any(row.state is not PENDING or row.attempts for row in rows)
            is_claimed = any(one == event_id for one, _ in self.claims)
            is_last = self.ids[event_id][0] == self.last
            if event_id not in ids or event_id in self.repeated or is_touched or is_claimed or not is_last:
                break
            self._drop({event_id})
            self.last -= 1
        return set(ids) - self.ids.keys()

    def claim(self, owner: str, destination: str, wanted: Wanted, clock: float) -> list[str]:
        """Ids of what is given out."""
        self.heard[owner] = clock
        free = [
            row
            for key, row in self.rows.items()
            if row.destination == destination and row.state is PENDING and self.due.get(key, 0.0) <= clock
            if wanted.above is None or URGENCY[row.severity] < URGENCY[wanted.above]
            if self.claims.get(key) != owner
            if key not in self.claims or clock >= self.heard[self.claims[key]] + LEASE
        ]
        free.sort(key=lambda row: (URGENCY[row.severity], row.number))
        found = list[DeliveryRow]()
        for place in range(wanted.turn + 1, wanted.turn + 1 + min(wanted.limit, len(free))):
            found.append(free.pop(0) if place % 8 else min(free, key=lambda row: row.number))
            free = [row for row in free if row is not found[-1]]
        self.claims |= {(row.event_id, destination): owner for row in found}
        return [row.event_id for row in sorted(found, key=lambda row: (URGENCY[row.severity], row.number))]

    def release(self, owner: str, keys: Sequence[tuple[str, str]]) -> None:
        """Only one's own."""
        self.claims = {key: by for key, by in self.claims.items() if by != owner or key not in keys}

    def settle(self, owner: str, one: Settlement, clock: float) -> None:
        """Only what is pending changes, and only good news of what is another's."""
        key = one.event_id, one.destination
        is_anothers = self.claims.get(key, owner) != owner
        self.release(owner, [key])
        row = self.rows.get(key)
        if row is None or row.state is not PENDING or (is_anothers and not isinstance(one, Accepted)):
            return
        self.due.pop(key, None)
        self.kept[key] = clock
        row = replace(row, attempts=one.attempts, reason="", words="", due_at=None)
        match one:
            case Accepted():
                self.rows[key] = replace(row, state=DELIVERED, settled_at=one.at)
            case Postponed():
                self.due[key] = clock + one.delay
                self.rows[key] = replace(row, reason=_kept(one.reason), words=_kept(one.words), due_at=self.due[key])
                del self.kept[key]
            case SetAside():
                reason, words = _kept(one.reason), _kept(one.words)
                self.rows[key] = replace(row, state=ASIDE, reason=reason, words=words, settled_at=one.at)

    def _open(self, selection: DeliverySelection) -> list[tuple[str, str]]:
        return [
            key
            for key, row in self.rows.items()
            if row.state in (PENDING, ASIDE) and selection.state in (None, row.state)
            if selection.destination in (None, row.destination)
            if not selection.events or row.event_id in selection.events
        ]

    def replay(self, selection: DeliverySelection) -> int:
        """Due now."""
        for key in (keys := self._open(selection)):
            row = self.rows[key]
            self.rows[key] = replace(row, state=PENDING, attempts=0, reason="", words="", due_at=None, settled_at=None)
            self.due.pop(key, None)
            self.kept.pop(key, None)
        return len(keys)

    def discard(self, selection: DeliverySelection, now: float, clock: float) -> int:
        """For good."""
        for key in (keys := self._open(selection)):
            self.rows[key] = replace(self.rows[key], state=DISCARDED, due_at=None, settled_at=now)
            self.kept[key] = clock
        return len(keys)

    def forget(self, before: float) -> int:
        """Only what nobody waits for, nor did lately."""
        waited_for = {key[0] for key, row in self.rows.items() if row.state is PENDING or self.kept[key] >= before}
        gone = {event_id for event_id, (_, at) in self.ids.items() if at < before} - waited_for
        self._drop(gone)
        return len(gone)

    def _drop(self, gone: set[str]) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row.event_id not in gone}
        self.ids = {event_id: stored for event_id, stored in self.ids.items() if event_id not in gone}
        self.repeated -= gone

    def waiting(self) -> dict[str, Waiting]:
        """By destination."""
        found: dict[str, Waiting] = {}
        for row in sorted(self.rows.values(), key=lambda row: row.number):
            of = found.get(row.destination, Waiting(0, None, 0))
            if row.state is PENDING:
                oldest = row.appended_at if of.oldest_appended_at is None else of.oldest_appended_at
                found[row.destination] = replace(of, pending=of.pending + 1, oldest_appended_at=oldest)
            elif row.state is ASIDE:
                found[row.destination] = replace(of, set_aside=of.set_aside + 1)
        return found


NAMES, IDS = st.sampled_from(["slack", "siem"]), st.sampled_from(["a", "b", "c", "d", "e"])
OWNERS = st.sampled_from([ME, OTHER])
TIMES = st.integers(0, 50).map(float)
NEW = st.builds(
    lambda event_id, at, names, had, how: new(event_id, *names, at=at, delivered_to=had, severity=how),
    IDS,
    TIMES,
    st.lists(NAMES, min_size=1, unique=True),
    st.lists(NAMES, max_size=1),
    st.sampled_from(Severity),
)
SETTLEMENTS = st.one_of(
    st.builds(Accepted, NAMES, IDS, TIMES, st.integers(1, 9)),
    st.builds(Postponed, NAMES, IDS, TIMES, st.integers(1, 9), st.text(max_size=9), st.text(max_size=9)),
    st.builds(SetAside, NAMES, IDS, TIMES, st.integers(1, 9), st.text(max_size=9)),
)
SELECTIONS = st.builds(
    DeliverySelection, st.none() | NAMES, st.none() | st.sampled_from(DeliveryState), st.lists(IDS, max_size=2)
)
WANTED = st.builds(Wanted, st.integers(1, 9), turn=st.integers(0, 7), above=st.none() | st.sampled_from(Severity))
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(NEW, min_size=1, max_size=5)),
    st.tuples(st.just("withdraw"), st.lists(IDS, max_size=3, unique=True)),
    st.tuples(st.just("claim"), st.tuples(OWNERS, NAMES, WANTED)),
    st.tuples(
        st.just("settle"),
        st.tuples(OWNERS, st.lists(SETTLEMENTS, max_size=3, unique_by=lambda s: (s.destination, s.event_id))),
    ),
    st.tuples(st.just("release"), st.tuples(OWNERS, NAMES, IDS)),
    st.tuples(st.sampled_from(["renew", "rescue"]), OWNERS),
    st.tuples(st.just("time passes"), st.sampled_from([1.0, LEASE / 2, LEASE])),
    st.tuples(st.just("replay"), SELECTIONS),
    st.tuples(st.just("discard"), st.tuples(SELECTIONS, TIMES)),
    st.tuples(st.just("forget"), TIMES),
    st.tuples(st.just("reopen"), st.none()),
)


async def _taken(step: str, given_: object, outbox: Outbox, model: Model, clock: Clock) -> tuple[object, object]:
    """What the outbox and the model answer to a step."""
    match step, given_:
        case "append", list(events):
            return await asyncio.gather(*map(outbox.append, events)), [model.append(event, clock()) for event in events]
        case "withdraw", list(ids):
            return await outbox.withdraw(ids), model.withdraw(ids)
        case "replay", DeliverySelection() as selection:
            return await outbox.replay(selection), model.replay(selection)
        case "discard", (DeliverySelection() as selection, float(now)):
            return await outbox.discard(selection, now), model.discard(selection, now, clock())
        case "forget", float(keep):
            return await outbox.forget(keep), model.forget(clock() - keep)
    return await _taken_by_an_owner(step, given_, outbox, model, clock)


async def _taken_by_an_owner(
    step: str, given_: object, outbox: Outbox, model: Model, clock: Clock
) -> tuple[object, object]:
    match step, given_:
        case "claim", (str(owner), str(name), Wanted() as wanted):
            found = [one.event_id for one in await outbox.queue(owner).claim(name, wanted)]
            return found, model.claim(owner, name, wanted, clock())
        case "settle", (str(owner), list(settlements)):
            await outbox.queue(owner).settle(settlements)
            for one in settlements:
                model.settle(owner, one, clock())
        case "release", (str(owner), str(name), str(event_id)):
            await outbox.queue(owner).release(name, [event_id])
            model.release(owner, [(event_id, name)])
        case "renew", str(owner):
            await outbox.queue(owner).renew()
            model.heard[owner] = clock()
        case "time passes", float(seconds):
            clock.now += seconds
        case "rescue", str(owner):
            await outbox.queue(owner).rescue()
            model.release(owner, list(model.claims))
        case _:
            raise AssertionError(step)
    return None, None


async def reopened(outbox: Outbox, opened: Callable[[], Awaitable[Outbox]], model: Model) -> Outbox:
    """Everybody begins anew."""
    await outbox.close()
    again = await opened()
    for owner in (ME, OTHER):
        await again.queue(owner).rescue()
    model.claims.clear()
    return again


@pytest.mark.parametrize("name", OUTBOXES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=18))
def test_any_story_ends_as_the_rules_say(tmp_path: Path, name: str, steps: list[tuple[str, object]]) -> None:
    async def story(folder: Path) -> None:
        clock, model = Clock(), Model()
        outbox = await OUTBOXES[name](folder, clock)
        try:
            for step, given_ in steps:
                if step == "reopen":
                    outbox = await reopened(outbox, lambda: OUTBOXES[name](folder, clock), model)
                    continue
                ours, theirs = await _taken(step, given_, outbox, model, clock)
                assert ours == theirs, step
            rows = await outbox.deliveries(EVERYTHING, 1000)
            waiting = await outbox.waiting()
        finally:
            await outbox.close()

        assert rows == sorted(model.rows.values(), key=lambda row: (-row.number.sequence, row.destination))
        assert waiting == model.waiting()

    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        asyncio.run(story(Path(folder)))
