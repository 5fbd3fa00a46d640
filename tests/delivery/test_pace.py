"""A destination that has a rate is sent no more than that, and gets everything all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from router.delivery import Channel
from router.delivery.standing import DestinationStanding
from router.destinations.document import Document
from router.destinations.outcome import AttemptOutcome, Delivered, EachOutcome, Undeliverable
from router.fields import Rate
from router.outbox import Accepted, SetAside
from tests.delivery.stage import Receiver, StagedOutbox, render, stage
from tests.simulators.virtual_time import virtually


def paced(receiver: Receiver, events: int, rate: Rate, rendering: Callable[..., Document] = render) -> StagedOutbox:
    """The outbox when so many events were settled; at no moment was the rate exceeded."""
    outbox = StagedOutbox()

    async def story() -> None:
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace({receiver.name: Channel(receiver, rendering, DestinationStanding(rate))})
            for _ in range(events):
                outbox.put(receiver.name)
            async with asyncio.timeout(86400.0):
                await outbox.until_settled()

    virtually(story())
    times = [at for at, _ in receiver.attempts]
    assert all(sum(0.0 <= at - other < rate.seconds - 1e-9 for other in times) <= rate.count for at in times)
    return outbox


def test_what_is_beyond_the_rate_waits_and_nothing_is_lost() -> None:
    receiver = Receiver(concurrency=8)
    paced(receiver, 23, Rate(5, 60.0))

    assert receiver.accepted.total() == len(receiver.attempts) == 23
    assert receiver.attempts[-1][0] - receiver.attempts[0][0] < 300.0


def of_a_batch(number: int, ids: Sequence[str]) -> AttemptOutcome:
    """Refused as a whole, but for one event of each."""
    if len(ids) > 1:
        return Undeliverable("http_400")
    return Delivered() if number % 10 else Undeliverable("http_400")


def too_large(_: int, ids: Sequence[str]) -> AttemptOutcome:
    """One event is all that it takes."""
    return Undeliverable("http_413", is_of_form=True) if len(ids) > 1 else Delivered()


def of_each(_: int, ids: Sequence[str]) -> AttemptOutcome:
    """Refuses the form of every second one of a batch."""
    if len(ids) == 1:
        return Delivered()
    is_odd = [int(one.removeprefix("event-")) % 2 for one in ids]
    return EachOutcome(tuple(Undeliverable("http_400", is_of_form=True) if one else Delivered() for one in is_odd))


@pytest.mark.parametrize("answer", [of_a_batch, too_large, of_each])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_batch_that_is_refused_is_tried_again_at_the_rate(
    answer: Callable[[int, Sequence[str]], AttemptOutcome], count: int, concurrency: int
) -> None:
    """And comes to an end, although the rate may not suffice for a batch and one of its events."""
    receiver = Receiver(answer=answer, concurrency=concurrency, batch_size=20)
    outbox = paced(receiver, 40, Rate(count, 60.0))
    aside = sum(isinstance(one, SetAside) for one in outbox.settled)

    assert sorted(one.event_id for one in outbox.settled) == sorted(f"event-{number}" for number in range(1, 41))
    assert receiver.accepted.total() == sum(isinstance(one, Accepted) for one in outbox.settled) == 40 - aside
    assert len(receiver.attempts) <= 60


def test_what_was_refused_in_a_batch_waits_longer_than_failures_may() -> None:
    """It is refused for good, or taken, but never given up because others took the rate."""
    receiver = Receiver(answer=too_large, concurrency=1, batch_size=20, give_up_after=120.0)
    paced(receiver, 20, Rate(1, 60.0))

    assert receiver.accepted.total() == 20


def test_a_batch_of_several_requests_goes_at_the_rate() -> None:
    receiver = Receiver(
        concurrency=1, batch_size=20, batch_bytes=5 * len(render("1", b'{"data":{"a":1,"sequence":1}}').body)
    )
    outbox = paced(receiver, 40, Rate(2, 60.0))

    assert receiver.accepted.total() == 40
    assert outbox.postponed == [], "what was not sent was no attempt"


def test_what_is_urgent_does_not_wait_for_the_rest_of_a_batch() -> None:
    async def story() -> None:
        outbox = StagedOutbox()
        receiver = Receiver(answer=too_large, concurrency=1, batch_size=50)
        channels = {"sink": Channel(receiver, render, DestinationStanding(Rate(2, 60.0)))}
        for _ in range(50):
            outbox.put("sink")
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace(channels)
            await asyncio.sleep(30.0)
            outbox.put("sink", event_id="urgent")

            assert await receiver.until_accepted("urgent") < 100.0

    virtually(story())
