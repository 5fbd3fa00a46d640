"""What becomes of a batch: parts by size, one outcome for each document, receipts that come later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.attempts import parts
from router.delivery.linger import Linger
from router.delivery.ready import Ready
from router.destinations.document import Document
from router.destinations.outcome import (
    AttemptOutcome,
    Delivered,
    EachOutcome,
    PendingReceipt,
    TryAgain,
    Undeliverable,
    gist,
)
from router.outbox import Accepted, SetAside
from tests.delivery.stage import Receiver, StagedOutbox, render, stage
from tests.simulators.virtual_time import virtually

OUTCOMES = (Delivered(), PendingReceipt(1.0), TryAgain("http_503"), Undeliverable("http_400"))


def told(receiver: Receiver, events: int = 8) -> StagedOutbox:
    """The outbox when so many events, stored at once, were settled."""
    outbox = StagedOutbox()

    async def story() -> None:
        for _ in range(events):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

    virtually(story())
    return outbox


def sizes(receiver: Receiver) -> list[int]:
    return [len(ids) for _, ids in receiver.attempts]


@given(st.lists(st.integers(0, 40)), st.integers(1, 100))
def test_a_part_is_as_large_as_may_be_and_no_larger(lengths: list[int], most: int) -> None:
    sent = [(None, Document(str(number), b"x" * length)) for number, length in enumerate(lengths)]
    found = [[len(document.body) for _, document in part] for part in parts(sent, most)]  # type: ignore[arg-type] # of the document alone

    assert [one for part in found for one in part] == lengths
    assert all(part and (sum(part) <= most or len(part) == 1) for part in found)
    assert all(sum(part) + after[0] > most for part, after in pairwise(found))


def test_a_batch_is_as_large_as_its_destination_takes() -> None:
    """Rendered, an event may be many times what it is stored as."""
    receiver = Receiver(batch_size=100, batch_bytes=5 * len(render("1", b'{"data":{"a":1,"sequence":1}}').body))
    told(receiver)

    assert max(sizes(receiver)) > 1
    assert sum(sizes(receiver)) == 8
    assert len(receiver.attempts) > 1


def test_what_is_too_large_is_halved() -> None:
    """Not sent one by one: that would be a hundred requests where two would do."""
    receiver = Receiver(
        batch_size=8,
        answer=lambda _, ids: Undeliverable("http_413", is_of_form=True) if len(ids) > 4 else Delivered(),
    )
    outbox = told(receiver)

    assert sizes(receiver) == [8, 4, 4]
    assert len(outbox.settled) == 8


def each(answer: dict[str, AttemptOutcome]) -> Receiver:
    """Says so of each document of a batch the first time that it sees it; takes what comes again."""
    seen: Counter[str] = Counter()

    def says(_: int, ids: Sequence[str]) -> AttemptOutcome:
        seen.update(ids)
        given = tuple(gist(answer.get(one, Delivered())) if seen[one] == 1 else Delivered() for one in ids)
        return EachOutcome(given) if len(given) > 1 else given[0]

    return Receiver(batch_size=8, answer=says)


def test_each_document_has_its_own_outcome() -> None:
    receiver = each({"event-2": Undeliverable("http_400"), "event-3": TryAgain("http_429")})
    outbox = told(receiver)

    assert {one.event_id for one in outbox.settled if isinstance(one, SetAside)} == {"event-2"}
    assert {one.event_id for one in outbox.postponed} == {"event-3"}
    assert receiver.accepted == Counter(f"event-{number}" for number in (1, 3, 4, 5, 6, 7, 8))


def test_what_is_refused_for_its_form_in_a_batch_is_tried_alone() -> None:
    """Alone it can be made smaller or plainer; the others are not told again."""
    receiver = each({"event-2": Undeliverable("http_400", is_of_form=True)})
    outbox = told(receiver)

    assert [ids for _, ids in receiver.attempts][1:] == [("event-2",)]
    assert all(isinstance(one, Accepted) for one in outbox.settled)


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1))
def test_who_takes_one_of_many_is_there(outcomes: list[Delivered | PendingReceipt | TryAgain | Undeliverable]) -> None:
    found = gist(EachOutcome(tuple(outcomes)))

    assert found in outcomes
    assert isinstance(found, TryAgain) == all(isinstance(one, TryAgain) for one in outcomes)


def test_a_receipt_that_comes_later_is_asked_for_when_it_is_due() -> None:
    """Nothing else waits for it, and it is no failure."""

    async def story() -> None:
        receiver = Receiver(
            concurrency=1, answer=lambda number, _: PendingReceipt(10.0) if number == 1 else Delivered()
        )
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await asyncio.sleep(1)
            on.outbox.put("sink")
            await on.outbox.until_settled()

            assert [(round(at), ids) for at, ids in receiver.attempts] == [
                (0, ("event-1",)), (1, ("event-2",)), (10, ("event-1",)),
            ]  # fmt: skip
            assert {one.event_id: one.attempts for one in on.outbox.settled} == {"event-1": 2, "event-2": 1}
            assert on.channels["sink"].standing.breaker.failing_for(100.0) == 0
            assert sorted(on.counts.attempts) == ["delivered", "delivered", "pending"]

    virtually(story())


def test_a_receipt_that_never_comes_is_waited_for_until_the_end() -> None:
    receiver = Receiver(give_up_after=100.0, answer=lambda *_: PendingReceipt(30.0))
    outbox = told(receiver, 1)

    assert [(type(one), getattr(one, "reason", "")) for one in outbox.settled] == [(SetAside, "unacknowledged")]
    assert [round(at) for at, _ in receiver.attempts] == [0, 30, 60, 90, 100]


def lingered(bodies: Sequence[tuple[float, int]], **more: object) -> list[tuple[float, int]]:
    """When attempts are made and of how many, where so many events come at these times."""
    receiver = Receiver(linger=1.0, batch_size=4, **more)  # type: ignore[arg-type] # of a receiver

    async def story() -> None:
        async with stage(receiver) as on:
            for at, count in bodies:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                for _ in range(count):
                    on.outbox.put("sink")
            await on.outbox.until_settled()

    virtually(story())
    return [(round(at, 1), len(ids)) for at, ids in receiver.attempts]


@pytest.mark.parametrize(
    ("comes", "goes"),
    [
        ([(0.0, 1)], [(1.0, 1)]),
        ([(0.0, 1), (0.5, 2)], [(1.0, 3)]),
        ([(0.0, 1), (0.5, 3)], [(0.5, 4)]),
        ([(0.0, 5)], [(0.0, 4), (1.0, 1)]),
        ([(0.0, 1), (5.0, 1), (5.9, 1)], [(1.0, 1), (6.0, 2)]),
    ],
)
def test_an_incomplete_batch_waits_for_more(comes: list[tuple[float, int]], goes: list[tuple[float, int]]) -> None:
    assert lingered(comes) == goes


def test_a_batch_that_is_full_by_bytes_does_not_wait() -> None:
    assert lingered([(0.0, 2)], batch_bytes=2 * len(b'{"data":{"a":1,"sequence":1}}')) == [(0.0, 2)]


def test_what_lingers_is_given_back_when_the_lane_stops() -> None:
    async def story() -> None:
        receiver, outbox = Receiver(linger=3600.0, batch_size=4), StagedOutbox()
        async with stage(receiver, outbox=outbox):
            outbox.put("sink")
            await asyncio.sleep(1)

        assert receiver.attempts == []
        assert not outbox.claims
        assert outbox.pending

    virtually(story())


def test_who_probes_does_not_linger() -> None:
    """The pause of the breaker is enough."""

    async def story() -> None:
        linger = Linger(Receiver(linger=50.0, batch_size=4), lambda: None)

        assert linger.holds(Ready(4), is_probing=False)
        assert not linger.holds(Ready(4), is_probing=True)

    virtually(story())
