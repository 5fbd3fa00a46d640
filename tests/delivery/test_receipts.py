"""`must_deliver`: told first, admitted afterwards; in virtual time."""

import asyncio
import random

import orjson
import pytest

from router.delivery import Channel, Receipts
from router.delivery.pace import DeliveryPace
from router.delivery.standing import DestinationStanding
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, PendingReceipt, TryAgain, Undeliverable
from router.fields import Rate
from tests.delivery.stage import Counts, Receiver, StagedOutbox, render, stage
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
        (TryAgain("unauthorised", pauses=True), 0.1),
        (RuntimeError("a mistake of ours"), 4.0),
    ],
)
def test_no_receipt_is_not_waited_for_beyond_the_deadline_nor_in_vain(failure: Outcome, seconds: float) -> None:
    async def story() -> None:
        given = await obtained(fails("a", 10**6, failure), Receiver("b"))

        assert given == {"b"}
        assert asyncio.get_running_loop().time() <= seconds

    virtually(story())


def test_who_is_back_shortly_before_the_deadline_is_asked_once_more() -> None:
    """The next pause would end later; all the time that is left is his."""

    async def story() -> None:
        back = Receiver("a", answer=lambda *_: Delivered() if loop.time() > 3.7 else TryAgain("http_503"))
        loop = asyncio.get_running_loop()

        assert await obtained(back) == {"a"}

    virtually(story())


def test_waiting_for_our_own_turn_is_no_failure_of_the_receiver() -> None:
    """It answers all that it is asked, two at a time and each within its own timeout."""

    async def story() -> None:
        counts, receiver = Counts(), Receiver("a", seconds=0.5, concurrency=2)
        receipts = Receipts({"a": Channel(receiver, render)}, counts)
        given = await asyncio.gather(*(receipts.obtain(BODY, f"event-{number}", ["a"], 4.2) for number in range(40)))

        assert sum(map(bool, given)) == 16
        assert receiver.most_under_way == 2
        assert set(counts.attempts) == {"delivered"}

    virtually(story())


def test_who_accepts_although_he_asked_us_to_wait_gets_the_rest_at_once() -> None:
    """A correction of what he was told, say."""

    async def story() -> None:
        outbox = StagedOutbox()
        busy = Receiver(answer=lambda number, _: TryAgain("http_429", after=3600.0) if number == 1 else Delivered())
        channel = Channel(busy, render)
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace({"sink": channel})
            outbox.put("sink")
            await asyncio.sleep(1.0)
            await Receipts({"sink": channel}, Counts()).obtain(BODY, "the-one", ["sink"], 4.0)
            outbox.put("sink")
            await asyncio.sleep(1.0)

        assert len(busy.accepted) == 2

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


@pytest.mark.parametrize(
    ("rate", "answer"), [(Rate(2, 60.0), Delivered()), (None, TryAgain("rate_limited", after=5.0))]
)
def test_a_lane_goes_on_after_a_pause_that_a_receipt_has_begun(rate: Rate | None, answer: Outcome) -> None:
    """What it has claimed already must not lie there until something else happens."""

    async def story() -> None:
        outbox = StagedOutbox(flush=0.5)
        receiver = Receiver(concurrency=1, answer=lambda _, ids: answer if ids == ("the-one",) else Delivered())
        channel = Channel(receiver, render, DestinationStanding(rate))
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace({"sink": channel})
            for _ in range(5):
                outbox.put("sink")
            await asyncio.sleep(0.2)  # the first is delivered, and its settlement is not durable yet
            deadline = asyncio.get_running_loop().time() + 4.0
            await Receipts({"sink": channel}, Counts()).obtain(BODY, "the-one", ["sink"], deadline)
            async with asyncio.timeout(300.0):
                await outbox.until_settled()

        assert len(outbox.settled) == 5

    virtually(story())


class Brief(DeliveryPace):
    """Pauses that are over at the next look, or not."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)  # noqa: S311 - a story

    def wait(self, now: float) -> float:  # noqa: ARG002 - it is of no time
        """A moment, or none."""
        return self._dice.choice((0.0, 1e-9))


@pytest.mark.parametrize("seed", range(8))
def test_a_lane_goes_on_after_pauses_that_are_over_when_it_looks(seed: int) -> None:
    """Also where it probes, and claims nothing while it waits for the probe."""

    async def story() -> None:
        outbox, standing = StagedOutbox(), DestinationStanding()
        receiver = Receiver(answer=lambda number, _: TryAgain("http_503") if number <= 60 else Delivered())
        standing.pace = Brief(seed)
        for _ in range(30):
            outbox.put("sink")
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace({"sink": Channel(receiver, render, standing)})
            async with asyncio.timeout(86400.0):
                await outbox.until_settled()

        assert len(outbox.settled) == 30

    virtually(story())
