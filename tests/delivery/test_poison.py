"""Events that a receiver chokes on hold up no other of their batch, and say nothing of the destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from router.delivery.linger import Linger
from router.delivery.ready import Ready
from router.delivery.standing import DestinationStanding
from router.delivery.suspects import Suspects
from router.destinations.document import Document
from router.destinations.outcome import AttemptOutcome, Delivered, EachOutcome, PendingReceipt, TryAgain
from router.outbox import Delivery, Number, SetAside
from tests.delivery.stage import Counts, Receiver, StagedOutbox, stage
from tests.simulators.virtual_time import virtually

REFUSED, FAILED = TryAgain("unauthorised", pauses=True), TryAgain("http_500")


def disliking(failure: TryAgain) -> Callable[[int, Sequence[str]], AttemptOutcome]:
    """What a receiver says that takes no request with poison in it."""
    return lambda _, ids: failure if any(one.startswith("poison") for one in ids) else Delivered()


@pytest.mark.parametrize("concurrency", [1, 4, 16])
@pytest.mark.parametrize("failure", [REFUSED, FAILED])
def test_what_shares_a_batch_with_poison_arrives_soon(failure: TryAgain, concurrency: int) -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=concurrency, batch_size=100, linger=0.2, answer=disliking(failure))
        outbox = StagedOutbox()
        for number in range(20):
            outbox.put("sink", event_id=f"poison-{number}")
            outbox.put("sink", event_id=f"good-{number}")
        async with stage(receiver, outbox=outbox):
            await asyncio.sleep(20)
            arrived = set(receiver.accepted)
            outbox.rows.clear()

        assert arrived == {f"good-{number}" for number in range(20)}

    virtually(story())


@pytest.mark.parametrize("failure", [REFUSED, FAILED])
def test_what_comes_with_poison_all_the_time_arrives_soon(failure: TryAgain) -> None:
    """Poison is set aside where it is refused while others are taken, and nothing else is."""

    async def story() -> None:
        receiver = Receiver(concurrency=4, batch_size=100, linger=0.2, answer=disliking(failure))
        late = list[float]()
        async with stage(receiver) as on:
            for number in range(60):
                on.outbox.put("sink", event_id=f"poison-{number}")
                on.outbox.put("sink", event_id=f"good-{number}")
                late.append(await receiver.until_accepted(f"good-{number}"))
                await asyncio.sleep(0.5)
            for number in range(60):
                on.outbox.put("sink", event_id=f"last-{number}")
                await asyncio.sleep(5)
            aside = {one.event_id for one in on.outbox.settled if isinstance(one, SetAside)}
            on.outbox.rows.clear()

        assert max(late) < 10
        assert sum(late) / len(late) < 2
        assert aside == ({f"poison-{number}" for number in range(60)} if failure.pauses else set())

    virtually(story())


def answered(*answers: tuple[AttemptOutcome, int]) -> DestinationStanding:
    """How one stands after attempts with so many events, each new."""
    standing = DestinationStanding()

    async def story() -> None:
        for place, (answer, count) in enumerate(answers):
            receiver = Receiver(answer=lambda *_, answer=answer: answer)
            documents = [Document(f"event-{place}-{number}", b"") for number in range(count)]
            await standing.attempt(receiver, documents, Counts(), lambda: 0.5, is_new=True)

    virtually(story())
    return standing


def test_batches_that_are_refused_say_of_no_event_that_it_was() -> None:
    assert answered(*[(REFUSED, 2)] * 5).breaker.is_closed
    assert answered(*[(REFUSED, 1)] * 3).breaker.is_refused
    assert not answered(*[(REFUSED, 1)] * 2, *[(REFUSED, 2)] * 5).breaker.is_refused


def test_batches_that_are_refused_are_an_outage_if_nothing_else_is_answered() -> None:
    assert not answered(*[(REFUSED, 2)] * 20).breaker.is_closed


def test_where_each_event_is_refused_three_in_one_batch_are_three() -> None:
    assert answered((EachOutcome((REFUSED, FAILED, REFUSED, REFUSED)), 4)).breaker.is_refused
    assert answered((EachOutcome((REFUSED, FAILED, REFUSED)), 3)).breaker.is_closed
    assert answered((EachOutcome((REFUSED, REFUSED, REFUSED, Delivered())), 4)).breaker.is_closed


def test_refused_credentials_pause_a_destination_that_takes_batches() -> None:
    async def story() -> None:
        receiver = Receiver(batch_size=100, linger=0.2, answer=lambda *_: REFUSED)
        async with stage(receiver) as on:
            for _ in range(50):
                on.outbox.put("sink")
            await asyncio.sleep(5)
            was_paused = on.channels["sink"].standing.breaker.is_refused
            await asyncio.sleep(2 * 86400)

            assert was_paused
            assert not on.outbox.settled
            receiver.answer = lambda *_: Delivered()
            await on.outbox.until_settled()

    virtually(story())


def test_after_an_outage_only_what_was_under_way_goes_alone() -> None:
    async def story() -> None:
        receiver, outbox = Receiver(batch_size=10, answer=lambda *_: FAILED), StagedOutbox()
        for _ in range(5000):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await asyncio.sleep(600)
            tried = {one for _, ids in receiver.attempts for one in ids}
            receiver.answer, receiver.attempts = lambda *_: Delivered(), []
            await outbox.until_settled()

        assert len(tried) < 500
        alone = {ids[0] for _, ids in receiver.attempts if len(ids) == 1}
        assert len(alone - tried) <= 1, "the probe that finds it there again"
        assert sum(len(ids) == 10 for _, ids in receiver.attempts) > 400

    virtually(story())


def test_suspects_keep_the_slots_busy() -> None:
    """A receiver that takes long to fail one event is asked for others meanwhile."""

    async def story() -> None:
        receiver, outbox = Receiver(concurrency=4, batch_size=100, seconds=1.0, linger=0.2), StagedOutbox()
        receiver.answer = lambda _, ids: FAILED if len(ids) > 1 else Delivered()
        for _ in range(40):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()
            took = asyncio.get_running_loop().time()

        assert receiver.most_under_way == 4
        assert took < 15

    virtually(story())


@pytest.mark.parametrize("first", [PendingReceipt(5.0), EachOutcome((TryAgain("http_429"),) * 8)])
def test_what_is_judged_by_itself_or_waits_for_a_receipt_goes_with_others_again(first: AttemptOutcome) -> None:
    receiver = Receiver(concurrency=1, batch_size=8, answer=lambda number, _: first if number == 1 else Delivered())
    outbox = StagedOutbox()

    async def story() -> None:
        for _ in range(8):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

    virtually(story())

    sizes = [len(ids) for _, ids in receiver.attempts]
    assert sizes[0] == 8
    assert max(sizes[1:]) > 1


def repeat(number: int, refused_for: float | None = None) -> Delivery:
    name = f"event-{number}"
    return Delivery("sink", name, Number("replica-1", number), b"{}", 1, 0.0, 0.0, refused_for=refused_for)


def test_suspects_go_alone_and_other_repeats_together() -> None:
    suspects = Suspects()
    for number in (1, 3):
        suspects.add(f"event-{number}")
    ready = Ready(3, suspects)
    ready.put([repeat(number) for number in range(1, 6)])

    assert ready.has_suspects
    assert [ready.batches(room) for room in (-1, 0, 1, 10)] == [0, 0, 2, 3]
    assert [[one.number.sequence for one in ready.take(is_repeat_allowed=True)] for _ in range(4)] == [
        [1], [2, 4, 5], [3], [],
    ]  # fmt: skip
    assert not ready.has_suspects


def test_what_was_refused_by_itself_goes_after_what_was_only_in_a_batch() -> None:
    """But every eighth is the oldest."""
    suspects = Suspects()
    for number in range(20):
        suspects.add(f"event-{number}")
    ready = Ready(3, suspects)
    ready.put([repeat(number, 1.0 if number < 10 else None) for number in range(20)])

    taken = [one.number.sequence for _ in range(20) for one in ready.take(is_repeat_allowed=True)]
    assert taken == [*range(10, 17), 0, *range(17, 20), *range(1, 10)]


def test_what_goes_alone_waits_for_no_others() -> None:
    async def story() -> None:
        suspects = Suspects()
        suspects.add("event-1")
        ready = Ready(4, suspects)
        ready.put([repeat(1)])

        assert not Linger(Receiver(linger=50.0, batch_size=4), lambda: None).holds(ready, is_probing=False)

    virtually(story())


def test_no_more_suspects_are_remembered_than_memory_has_room_for() -> None:
    suspects = Suspects(most=2)
    for one in "abc":
        suspects.add(one)
    suspects.clear("never there")

    assert [one in suspects for one in "abc"] == [False, False, True]
