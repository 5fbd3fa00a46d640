"""`must_deliver`: told first, admitted afterwards; in virtual time."""

import asyncio

import orjson
import pytest

from router.delivery import Channel, Receipts
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, PendingReceipt, TryAgain, Undeliverable
from tests.delivery.stage import Counts, Receiver, render
from tests.simulators.virtual_time import virtually

BODY = b'{"id":"the-one","data":{"cluster":"test"}}'


async def obtained(*receivers: Receiver, deadline: float = 4.0) -> frozenset[str]:
    channels = {receiver.name: Channel(receiver, render) for receiver in receivers}
    names = [receiver.name for receiver in receivers]
    return await Receipts(channels, Counts()).obtain(BODY, "the-one", names, deadline)


def fails(name: str, times: int, failure: Outcome | Exception) -> Receiver:
    return Receiver(name, answer=lambda number, _: failure if number <= times else Delivered())


def test_a_receipt_is_given_at_once() -> None:
    async def story() -> None:
        assert await obtained(Receiver("a"), Receiver("b")) == {"a", "b"}
        assert asyncio.get_running_loop().time() < 0.01

    virtually(story())


def test_all_are_asked_at_the_same_time() -> None:
    async def story() -> None:
        assert len(await obtained(*(Receiver(str(n), seconds=3.0) for n in range(10)))) == 10

    virtually(story())


def test_it_is_tried_again_within_the_deadline() -> None:
    async def story() -> None:
        assert await obtained(fails("a", 3, TryAgain("http_503"))) == {"a"}

    virtually(story())


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (TryAgain("http_503"), 4.0),
        (TryAgain("http_429", after=60.0), 0.1),
        (Undeliverable("http_400"), 0.1),
        (PendingReceipt(5.0), 0.1),
        (RuntimeError("a mistake of ours"), 4.0),
    ],
)
def test_no_receipt_is_not_waited_for_beyond_the_deadline_nor_in_vain(failure: Outcome, seconds: float) -> None:
    async def story() -> None:
        given = await obtained(fails("a", 10**6, failure), Receiver("b"))

        assert given == {"b"}
        assert asyncio.get_running_loop().time() <= seconds

    virtually(story())


def test_a_receiver_that_hangs_gives_none() -> None:
    async def story() -> None:
        hanging = Receiver("a", seconds=10**6)

        assert await obtained(hanging) == frozenset()
        assert asyncio.get_running_loop().time() == pytest.approx(4.0)
        assert hanging.under_way == 0

    virtually(story())


def test_what_is_sent_is_a_whole_event() -> None:
    """The number is given by the outbox, and the event is not there yet."""
    seen: list[tuple[str, bytes]] = []

    def rendering(event_id: str, body: bytes, _template: str) -> Document:
        seen.append((event_id, body))
        return Document(event_id, body)

    async def story() -> None:
        channels = {"a": Channel(Receiver("a"), rendering)}
        await Receipts(channels, Counts()).obtain(BODY, "the-one", ["a"], 4.0)

    virtually(story())

    [(event_id, body)] = seen
    assert event_id == "the-one"
    assert orjson.loads(body) == {"id": "the-one", "data": {"cluster": "test", "sequence": 0}}


def test_an_event_that_can_not_be_rendered_costs_no_other_receipt() -> None:
    def broken(_event_id: str, _body: bytes, _template: str) -> Document:
        raise RuntimeError("a mistake of ours")

    async def story() -> None:
        channels = {"a": Channel(Receiver("a"), broken), "b": Channel(Receiver("b"), render)}

        assert await Receipts(channels, Counts()).obtain(BODY, "the-one", ["a", "b"], 4.0) == {"b"}

    virtually(story())


def test_a_destination_that_nobody_knows_gives_none() -> None:
    async def story() -> None:
        assert await Receipts({}, Counts()).obtain(BODY, "the-one", ["gone"], 4.0) == frozenset()

    virtually(story())


def test_attempts_for_a_receipt_are_counted_and_teach_the_breaker() -> None:
    """A destination that refuses whoever waits for it must not look healthy."""

    async def story() -> None:
        counts, channel = Counts(), Channel(fails("a", 3, TryAgain("unauthorised", pauses=True)), render)
        receipts = Receipts({"a": channel}, counts)
        for number in range(3):
            await receipts.obtain(BODY, f"event-{number}", ["a"], asyncio.get_running_loop().time() + 0.01)
        was_paused = channel.standing.breaker.is_refused
        given = await receipts.obtain(BODY, "the-one", ["a"], 4.0)

        assert was_paused
        assert given == {"a"}, "it is asked nevertheless, and its acceptance ends the pause"
        assert channel.standing.breaker.is_closed
        assert counts.refusals == [True, False]
        assert counts.attempts == ["try_again"] * 3 + ["delivered"]

    virtually(story())
