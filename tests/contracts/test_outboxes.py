"""What every outbox promises, wherever it keeps what it was given.

An implementation joins with an entry in `OUTBOXES`: given an empty folder of the test's own, it opens the outbox that
belongs to it, and opened with the same folder again after closing, the same one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import OutboxError
from router.outbox import (
    Accepted,
    DeliveryRow,
    DeliveryState,
    NewEvent,
    Outbox,
    Postponed,
    Selection,
    SetAside,
    Settlement,
    Waiting,
)
from router.outbox.sqlite import SqliteOutbox

Opener = Callable[[Path], Awaitable[Outbox]]
OUTBOXES: dict[str, Opener] = {"sqlite": lambda folder: SqliteOutbox.open(folder / "outbox.db")}
EVERYTHING = Selection()
PENDING, DELIVERED, ASIDE, DISCARDED = DeliveryState


@pytest.fixture(params=OUTBOXES)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OUTBOXES[request.param]


@pytest.fixture
async def outbox(opener: Opener, tmp_path: Path) -> AsyncIterator[Outbox]:
    opened = await opener(tmp_path)
    yield opened
    await opened.close()


def new(event_id: str, *destinations: str, at: float = 100.0, delivered_to: Sequence[str] = ()) -> NewEvent:
    body = b'{"id":"%b","data":{"a":"\xc3\xa4 \\" \\u0000"}}' % event_id.encode()
    return NewEvent(event_id, body, at, destinations or ("slack",), delivered_to)


async def appended(outbox: Outbox, *event_ids: str, to: Sequence[str] = ("slack",)) -> None:
    for number, event_id in enumerate(event_ids):
        await outbox.append(new(event_id, *to, at=100.0 + number))


async def claimed(outbox: Outbox, destination: str = "slack", limit: int = 100, now: float = 1000.0) -> list[str]:
    return [one.event_id for one in await outbox.claim(destination, limit, now)]


async def states(outbox: Outbox) -> dict[tuple[str, str], DeliveryState]:
    return {(row.event_id, row.destination): row.state for row in await outbox.deliveries(EVERYTHING, 1000)}


# Appending.


async def test_events_are_numbered_in_the_order_of_appending(outbox: Outbox) -> None:
    one_by_one = [await outbox.append(new("a")), await outbox.append(new("b"))]
    together = await asyncio.gather(*(outbox.append(new(f"together-{number}")) for number in range(300)))

    assert one_by_one == [1, 2]
    assert together == list(range(3, 303))


async def test_the_same_event_again_is_the_same_event(outbox: Outbox) -> None:
    """The API server repeats calls; what was stored first stays, and no number is spent."""
    first = await outbox.append(new("a", "slack"))
    again = await outbox.append(replace(new("a", "slack", "siem"), body=b'{"data":{"other":1}}'))
    (delivery,) = await outbox.claim("slack", 10, 1000.0)

    assert (first, again) == (1, 1)
    assert list(await states(outbox)) == [("a", "slack")]
    assert b"other" not in delivery.body
    assert await outbox.append(new("b")) == 2


async def test_the_same_event_twice_at_once_is_one_event(outbox: Outbox) -> None:
    numbers = await asyncio.gather(*(outbox.append(new(event_id)) for event_id in "abacab"))

    assert numbers == [1, 2, 1, 3, 1, 2]
    assert len(await outbox.deliveries(EVERYTHING, 100)) == 3


async def test_an_event_for_nobody_is_stored_and_waits_for_nobody(outbox: Outbox) -> None:
    number = await outbox.append(NewEvent("a", b'{"data":{"a":1}}', 100.0, ()))

    assert (number, await outbox.append(new("b"))) == (1, 2)
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


async def test_a_body_beyond_8_mebibytes_is_refused_and_one_of_8_is_kept(outbox: Outbox) -> None:
    largest = b'{"data":{"a":"' + b"x" * (8 * 2**20 - 17) + b'"}}'
    with pytest.raises(OutboxError, match="bytes; at most 8388608 are kept"):
        await outbox.append(replace(new("too large"), body=largest + b" "))
    assert await outbox.append(replace(new("large"), body=largest)) == 1
    (delivery,) = await outbox.claim("slack", 10, 1000.0)

    assert delivery.body == largest[:-2] + b',"sequence":1}}'


async def test_what_can_not_be_stored_disturbs_nobody_else(outbox: Outbox) -> None:
    done = await asyncio.gather(
        outbox.append(new("a")),
        outbox.append(NewEvent("\ud800", b'{"data":{"a":1}}', 1.0, ["slack"])),
        outbox.append(new("b")),
        return_exceptions=True,
    )

    assert [done[0], done[2]] == [1, 2]
    assert isinstance(done[1], OutboxError)


async def test_subscribers_hear_of_new_events_before_their_appenders(outbox: Outbox) -> None:
    told: list[frozenset[str]] = []
    outbox.subscribe(told.append)
    await outbox.append(new("a", "slack", "siem"))

    assert told == [frozenset({"slack", "siem"})]


async def test_subscribers_hear_of_an_event_whose_appender_has_gone(outbox: Outbox) -> None:
    told: set[str] = set()
    outbox.subscribe(told.update)
    gone = asyncio.create_task(outbox.append(new("gone", "siem")))
    await asyncio.sleep(0)
    gone.cancel()
    await outbox.append(new("next", "slack"))

    assert told == {"siem", "slack"}


# Withdrawing.


async def test_what_nobody_has_heard_of_is_withdrawn_and_leaves_no_gap(outbox: Outbox) -> None:
    """Receivers count the numbers: one that is missing says that an event was lost."""
    await appended(outbox, "a", "b", to=["slack", "siem"])
    gone = await outbox.withdraw(["b", "unknown"])

    assert gone == {"b"}
    assert await outbox.append(new("c")) == 2
    assert await claimed(outbox) == ["a", "c"]


async def test_what_is_under_way_into_the_outbox_is_withdrawn_when_it_is_there(outbox: Outbox) -> None:
    late = asyncio.create_task(outbox.append(new("late")))
    await asyncio.sleep(0)
    late.cancel()

    assert await outbox.withdraw(["late"]) == {"late"}
    assert await states(outbox) == {}


async def test_what_somebody_may_have_heard_of_stays(outbox: Outbox) -> None:
    await outbox.append(new("a", "slack", "siem"))
    (claim,) = await outbox.claim("slack", 1, 1000.0)
    assert await outbox.withdraw(["a"]) == set()
    await outbox.settle([Postponed("slack", claim.sequence, 2000.0, 1, 1000.0, "timeout")])

    assert await outbox.withdraw(["a"]) == set()


async def test_what_has_a_receipt_or_a_successor_stays(outbox: Outbox) -> None:
    await outbox.append(new("told", "slack", "siem", delivered_to=["siem"]))
    assert await outbox.withdraw(["told"]) == set()
    await appended(outbox, "a", "b")

    assert await outbox.withdraw(["a"]) == set()
    assert len(await outbox.deliveries(EVERYTHING, 10)) == 4


async def test_what_is_being_withdrawn_is_claimed_by_nobody(outbox: Outbox) -> None:
    await appended(outbox, "a")
    withdrawing = asyncio.create_task(outbox.withdraw(["a"]))
    await asyncio.sleep(0)
    found = await claimed(outbox)

    assert (found, await withdrawing) == ([], {"a"})


# Claiming.


async def test_a_delivery_carries_the_whole_event(outbox: Outbox) -> None:
    await outbox.append(new("a", at=123.5))
    (delivery,) = await outbox.claim("slack", 10, 1000.0)

    assert delivery.body == b'{"id":"a","data":{"a":"\xc3\xa4 \\" \\u0000","sequence":1}}'
    assert (delivery.destination, delivery.sequence, delivery.event_id) == ("slack", 1, "a")
    assert (delivery.attempts, delivery.first_attempt_at, delivery.appended_at) == (0, None, 123.5)


async def test_the_longest_due_is_claimed_first(outbox: Outbox) -> None:
    for event_id, at in (("late", 30.0), ("early", 10.0), ("middle", 20.0), ("also early", 10.0)):
        await outbox.append(new(event_id, at=at))

    assert await claimed(outbox, limit=3) == ["early", "also early", "middle"]
    assert await claimed(outbox, limit=3) == ["late"]


async def test_nothing_is_claimed_before_it_is_due(outbox: Outbox) -> None:
    await outbox.append(new("a", at=100.0))

    assert await claimed(outbox, now=99.9) == []
    assert await claimed(outbox, now=100.0) == ["a"]


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
    outbox.release("slack", [2])

    assert await claimed(outbox) == ["b"]
    assert await claimed(outbox, "siem") == []


async def test_claims_end_with_the_process(opener: Opener, tmp_path: Path) -> None:
    first = await opener(tmp_path)
    await appended(first, "a")
    await claimed(first)
    await first.close()
    second = await opener(tmp_path)
    found = await claimed(second)
    await second.close()

    assert found == ["a"]


async def test_the_next_due_is_of_what_nobody_has_claimed(outbox: Outbox) -> None:
    assert await outbox.next_due("slack") is None
    await appended(outbox, "a", "b", "c")
    await outbox.settle([Postponed("slack", 3, 500.0, 1, 90.0, "timeout")])
    assert await outbox.next_due("slack") == 100.0
    await claimed(outbox, limit=1)
    assert await outbox.next_due("slack") == 101.0
    await claimed(outbox, limit=1)

    assert await outbox.next_due("slack") == 500.0
    assert await outbox.next_due("siem") is None


# Settling.


async def test_what_was_accepted_is_done_with(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.settle([Accepted("slack", 1, 200.0, 2)])
    (row,) = await outbox.deliveries(EVERYTHING, 10)

    assert row == DeliveryRow(1, "a", "slack", DELIVERED, 2, "", 100.0, None, 200.0)
    assert await claimed(outbox) == []


async def test_what_was_postponed_is_claimed_again_when_it_is_due(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.settle([Postponed("slack", 1, 300.0, 1, 190.0, "timeout")])
    (row,) = await outbox.deliveries(EVERYTHING, 10)
    assert row == DeliveryRow(1, "a", "slack", PENDING, 1, "timeout", 100.0, 300.0, None)
    assert await claimed(outbox, now=299.0) == []
    (delivery,) = await outbox.claim("slack", 10, 300.0)

    assert (delivery.attempts, delivery.first_attempt_at) == (1, 190.0)


async def test_the_first_attempt_stays_the_first(outbox: Outbox) -> None:
    """From it on the destination's patience is counted."""
    await appended(outbox, "a")
    for attempt, at in ((1, 190.0), (2, 290.0)):
        await claimed(outbox)
        await outbox.settle([Postponed("slack", 1, at + 10, attempt, at, "timeout")])
    (delivery,) = await outbox.claim("slack", 10, 1000.0)

    assert (delivery.attempts, delivery.first_attempt_at) == (2, 190.0)


async def test_what_was_set_aside_waits_for_an_operator(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.settle([SetAside("slack", 1, 200.0, 3, "http_400")])
    (row,) = await outbox.deliveries(EVERYTHING, 10)

    assert row == DeliveryRow(1, "a", "slack", ASIDE, 3, "http_400", 100.0, None, 200.0)
    assert await claimed(outbox) == []
    assert await outbox.next_due("slack") is None


async def test_many_are_settled_at_once_each_for_itself(outbox: Outbox) -> None:
    await appended(outbox, "a", "b", "c", to=["slack", "siem"])
    await claimed(outbox)
    await outbox.settle(
        [
            Accepted("slack", 1, 200.0, 1),
            Postponed("slack", 2, 300.0, 1, 200.0, "timeout"),
            SetAside("siem", 3, 200.0, 1, "http_400"),
        ]
    )

    assert await states(outbox) == {
        ("a", "slack"): DELIVERED, ("b", "slack"): PENDING, ("c", "slack"): PENDING,
        ("a", "siem"): PENDING, ("b", "siem"): PENDING, ("c", "siem"): ASIDE,
    }  # fmt: skip


async def test_settling_nothing_is_nothing(outbox: Outbox) -> None:
    await outbox.settle([])

    assert await outbox.waiting() == {}


@pytest.mark.parametrize(
    "settlement",
    [
        Accepted("slack", 1, 900.0, 9),
        Postponed("slack", 1, 900.0, 9, 90.0, "late"),
        SetAside("slack", 1, 900.0, 9, "late"),
    ],
    ids=lambda settlement: type(settlement).__name__,
)
async def test_settling_what_was_discarded_meanwhile_changes_nothing(outbox: Outbox, settlement: Settlement) -> None:
    """The operator's word stands: an attempt that was under way can't take it back."""
    await appended(outbox, "a")
    await claimed(outbox)
    await outbox.discard(EVERYTHING, 400.0)
    before = await outbox.deliveries(EVERYTHING, 10)
    await outbox.settle([settlement])

    assert await outbox.deliveries(EVERYTHING, 10) == before
    assert before[0].state is DISCARDED


async def test_settlements_survive_a_restart(opener: Opener, tmp_path: Path) -> None:
    first = await opener(tmp_path)
    await appended(first, "a", "b", "c", "d")
    await first.settle(
        [
            Accepted("slack", 1, 200.0, 1),
            Postponed("slack", 2, 300.0, 1, 200.0, "timeout"),
            SetAside("slack", 3, 200.0, 1, "http_400"),
        ]
    )
    before = await first.deliveries(EVERYTHING, 10)
    await first.close()
    second = await opener(tmp_path)
    after = await second.deliveries(EVERYTHING, 10)
    number = await second.append(new("e"))
    await second.close()

    assert after == before
    assert number == 5


# Operators.


async def a_mixture(outbox: Outbox) -> None:
    """Four events for two destinations, each of `slack` in another state."""
    await appended(outbox, "aside", "waits", "arrived", "gone", to=["slack", "siem"])
    await outbox.settle([SetAside("slack", 1, 200.0, 3, "http_400"), Accepted("slack", 3, 200.0, 1)])
    await outbox.discard(Selection("slack", events=["gone"]), 250.0)


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
        (Selection("slack"), False, ["gone", "arrived", "waits", "aside"]),
        (Selection("slack"), True, ["waits", "aside"]),
        (Selection("slack", ASIDE), False, ["aside"]),
        (Selection("slack", DELIVERED), False, ["arrived"]),
        (Selection("slack", DELIVERED), True, []),
        (Selection("slack", DISCARDED), False, ["gone"]),
        (Selection("slack", events=["waits", "aside", "unknown"]), False, ["waits", "aside"]),
        (Selection(None, ASIDE), False, ["aside"]),
        (Selection("nobody"), False, []),
        (Selection("' OR 1 = 1 --"), False, []),
    ],
)
async def test_a_selection_finds_what_it_says(
    outbox: Outbox,
    selection: Selection,
    is_open: bool,  # noqa: FBT001 - a parameter of the test
    expected: list[str],
) -> None:
    await a_mixture(outbox)
    rows = await outbox.deliveries(selection, 100, is_open=is_open)

    assert [row.event_id for row in rows] == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection("slack"), {"aside", "waits"}),
        (Selection("slack", ASIDE), {"aside"}),
        (Selection("slack", PENDING), {"waits"}),
        (Selection("slack", events=["aside", "arrived"]), {"aside"}),
        (Selection("slack", DELIVERED), set()),
        (Selection("slack", DISCARDED), set()),
    ],
)
async def test_only_what_waits_or_was_set_aside_is_replayed_or_discarded(
    opener: Opener, tmp_path: Path, selection: Selection, expected: set[str]
) -> None:
    """What arrived must not be sent again by a selection that is too wide, and what was given up stays so."""
    for change, after in (("replay", PENDING), ("discard", DISCARDED)):
        folder = tmp_path / change
        folder.mkdir()
        outbox = await opener(folder)
        await a_mixture(outbox)
        before = await states(outbox)
        count = await getattr(outbox, change)(selection, 700.0)
        found = await states(outbox)
        await outbox.close()

        assert count == len(expected)
        assert found == before | {(event_id, "slack"): after for event_id in expected}


async def test_what_is_replayed_is_due_now_and_has_all_its_attempts_again(outbox: Outbox) -> None:
    await appended(outbox, "a")
    await outbox.settle([Postponed("slack", 1, 9000.0, 7, 150.0, "timeout")])
    await outbox.settle([SetAside("slack", 1, 9001.0, 8, "gave_up")])
    await outbox.replay(EVERYTHING, 700.0)
    (row,) = await outbox.deliveries(EVERYTHING, 10)
    assert row == DeliveryRow(1, "a", "slack", PENDING, 0, "", 100.0, 700.0, None)
    (delivery,) = await outbox.claim("slack", 10, 700.0)

    assert (delivery.event_id, delivery.attempts, delivery.first_attempt_at) == ("a", 0, None)


async def test_what_waits_is_counted_by_destination(outbox: Outbox) -> None:
    await a_mixture(outbox)
    await outbox.settle([SetAside("pager", 1, 1.0, 1, "nobody asked")])

    assert await outbox.waiting() == {"slack": Waiting(1, 101.0, 1), "siem": Waiting(4, 100.0, 0)}


async def test_a_destination_with_nothing_but_set_aside_deliveries_is_counted(outbox: Outbox) -> None:
    await appended(outbox, "a", "b")
    await outbox.settle([SetAside("slack", 1, 200.0, 3, "http_400"), Accepted("slack", 2, 200.0, 1)])

    assert await outbox.waiting() == {"slack": Waiting(0, None, 1)}


async def test_old_events_are_forgotten_but_never_what_somebody_waits_for(outbox: Outbox) -> None:
    await a_mixture(outbox)
    await outbox.settle([Accepted("siem", number, 300.0, 1) for number in (1, 2, 3)])

    assert await outbox.forget(100.0) == 0, "only what is older is forgotten"
    assert await outbox.forget(1000.0) == 2
    assert {event_id for event_id, _ in await states(outbox)} == {"waits", "gone"}
    assert await outbox.forget(1000.0) == 0


async def test_numbers_go_on_when_the_last_event_was_forgotten(opener: Opener, tmp_path: Path) -> None:
    """A number that is given twice would hide a lost event."""
    first = await opener(tmp_path)
    await appended(first, "a", "b")
    await first.settle([Accepted("slack", number, 200.0, 1) for number in (1, 2)])
    await first.forget(1000.0)
    await first.close()
    second = await opener(tmp_path)
    number = await second.append(new("c"))
    await second.close()

    assert number == 3


# Closing.


async def test_closing_finishes_what_was_asked_and_refuses_what_follows(opener: Opener, tmp_path: Path) -> None:
    outbox = await opener(tmp_path)
    asked = [asyncio.create_task(outbox.append(new(f"event-{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    await outbox.close()

    assert await asyncio.gather(*asked) == list(range(1, 51))
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
    rows: dict[tuple[int, str], DeliveryRow] = field(default_factory=dict)
    claimed: set[tuple[int, str]] = field(default_factory=set)

    def append(self, event: NewEvent) -> int:
        """One event, once."""
        if event.id not in self.ids:
            self.last += 1
            self.ids[event.id] = self.last, event.at
            for name in event.destinations:
                row = DeliveryRow(self.last, event.id, name, PENDING, 0, "", event.at, event.at, None)
                if name in event.delivered_to:
                    row = replace(row, state=DELIVERED, attempts=1, due_at=None, settled_at=event.at)
                self.rows[self.last, name] = row
        return self.ids[event.id][0]

    def claim(self, destination: str, limit: int, now: float) -> list[int]:
        """Numbers of what is given out."""
        due = sorted(
            (row.due_at, row.sequence)
            for key, row in self.rows.items()
            if row.destination == destination and row.due_at is not None and row.due_at <= now
            if key not in self.claimed
        )
        found = [sequence for _, sequence in due[:limit]]
        self.claimed |= {(sequence, destination) for sequence in found}
        return found

    def settle(self, one: Settlement) -> None:
        """Only what is pending changes."""
        key = one.sequence, one.destination
        self.claimed.discard(key)
        row = self.rows.get(key)
        if row is None or row.state is not PENDING:
            return
        match one:
            case Accepted():
                row = replace(row, state=DELIVERED, reason="", due_at=None, settled_at=one.at)
            case Postponed():
                row = replace(row, reason=_kept(one.reason), due_at=one.due_at)
            case SetAside():
                row = replace(row, state=ASIDE, reason=_kept(one.reason), due_at=None, settled_at=one.at)
        self.rows[key] = replace(row, attempts=one.attempts)

    def _open(self, selection: Selection) -> list[tuple[int, str]]:
        return [
            key
            for key, row in self.rows.items()
            if row.state in (PENDING, ASIDE) and selection.state in (None, row.state)
            if selection.destination in (None, row.destination)
            if not selection.events or row.event_id in selection.events
        ]

    def replay(self, selection: Selection, now: float) -> int:
        """Due now."""
        for key in (keys := self._open(selection)):
            row = self.rows[key]
            self.rows[key] = replace(row, state=PENDING, attempts=0, reason="", due_at=now, settled_at=None)
        return len(keys)

    def discard(self, selection: Selection, now: float) -> int:
        """For good."""
        for key in (keys := self._open(selection)):
            self.rows[key] = replace(self.rows[key], state=DISCARDED, due_at=None, settled_at=now)
        return len(keys)

    def forget(self, before: float) -> int:
        """Only what nobody waits for."""
        waited_for = {row.event_id for row in self.rows.values() if row.state is PENDING}
        gone = {event_id for event_id, (_, at) in self.ids.items() if at < before} - waited_for
        self.rows = {key: row for key, row in self.rows.items() if row.event_id not in gone}
        self.ids = {event_id: stored for event_id, stored in self.ids.items() if event_id not in gone}
        return len(gone)

    def waiting(self) -> dict[str, Waiting]:
        """By destination."""
        found: dict[str, Waiting] = {}
        for row in sorted(self.rows.values(), key=lambda row: row.sequence):
            of = found.get(row.destination, Waiting(0, None, 0))
            if row.state is PENDING:
                oldest = row.appended_at if of.oldest_appended_at is None else of.oldest_appended_at
                found[row.destination] = replace(of, pending=of.pending + 1, oldest_appended_at=oldest)
            elif row.state is ASIDE:
                found[row.destination] = replace(of, set_aside=of.set_aside + 1)
        return found


NAMES, IDS = st.sampled_from(["slack", "siem"]), st.sampled_from(["a", "b", "c", "d", "e"])
TIMES = st.integers(0, 50).map(float)
SEQUENCES = st.integers(1, 6)
NEW = st.builds(
    lambda event_id, at, names, had: new(event_id, *names, at=at, delivered_to=had),
    IDS,
    TIMES,
    st.lists(NAMES, min_size=1, unique=True),
    st.lists(NAMES, max_size=1),
)
SETTLEMENTS = st.one_of(
    st.builds(Accepted, NAMES, SEQUENCES, TIMES, st.integers(1, 9)),
    st.builds(Postponed, NAMES, SEQUENCES, TIMES, st.integers(1, 9), TIMES, st.text(max_size=9)),
    st.builds(SetAside, NAMES, SEQUENCES, TIMES, st.integers(1, 9), st.text(max_size=9)),
)
SELECTIONS = st.builds(
    Selection, st.none() | NAMES, st.none() | st.sampled_from(DeliveryState), st.lists(IDS, max_size=2)
)
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(NEW, min_size=1, max_size=5)),
    st.tuples(st.just("claim"), st.tuples(NAMES, st.integers(1, 4), TIMES)),
    st.tuples(st.just("settle"), st.lists(SETTLEMENTS, max_size=3, unique_by=lambda s: (s.destination, s.sequence))),
    st.tuples(st.sampled_from(["replay", "discard"]), st.tuples(SELECTIONS, TIMES)),
    st.tuples(st.just("forget"), TIMES),
    st.tuples(st.just("reopen"), st.none()),
)


async def _taken(step: str, given_: object, outbox: Outbox, model: Model) -> tuple[object, object]:
    """What the outbox and the model answer to a step."""
    match step, given_:
        case "append", list(events):
            return await asyncio.gather(*map(outbox.append, events)), [model.append(event) for event in events]
        case "claim", (str(name), int(limit), float(now)):
            found = [one.sequence for one in await outbox.claim(name, limit, now)]
            return found, model.claim(name, limit, now)
        case "settle", list(settlements):
            await outbox.settle(settlements)
            for one in settlements:
                model.settle(one)
            return None, None
        case "replay", (Selection() as selection, float(now)):
            return await outbox.replay(selection, now), model.replay(selection, now)
        case "discard", (Selection() as selection, float(now)):
            return await outbox.discard(selection, now), model.discard(selection, now)
        case "forget", float(before):
            return await outbox.forget(before), model.forget(before)
    raise AssertionError(step)


@pytest.mark.parametrize("name", OUTBOXES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=14))
def test_any_story_ends_as_the_rules_say(tmp_path: Path, name: str, steps: list[tuple[str, object]]) -> None:
    async def story(folder: Path) -> None:
        outbox, model = await OUTBOXES[name](folder), Model()
        try:
            for step, given_ in steps:
                if step == "reopen":
                    await outbox.close()
                    outbox = await OUTBOXES[name](folder)
                    model.claimed.clear()
                    continue
                ours, theirs = await _taken(step, given_, outbox, model)
                assert ours == theirs, step
            rows = await outbox.deliveries(EVERYTHING, 1000)
            waiting = await outbox.waiting()
        finally:
            await outbox.close()

        assert rows == sorted(model.rows.values(), key=lambda row: (-row.sequence, row.destination))
        assert waiting == model.waiting()

    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        asyncio.run(story(Path(folder)))
