"""What holds between lanes, and when they are stopped or replaced; in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from router.delivery import Channel
from router.destinations.outcome import Delivered, TryAgain
from router.errors import OutboxError
from router.outbox import LEASE, Delivery, Wanted
from tests.delivery.stage import OWNER, Receiver, StagedOutbox, StagedQueue, render, stage
from tests.simulators.virtual_time import virtually


def test_a_destination_that_is_down_or_hangs_disturbs_no_other() -> None:
    async def story() -> None:
        healthy = Receiver("healthy")
        down = Receiver("down", answer=lambda *_: TryAgain("http_503"))
        hanging = Receiver("hanging", seconds=10**6)
        async with stage(healthy, down, hanging) as on:
            for _ in range(200):
                on.outbox.put("healthy", "down", "hanging")
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)

            assert set(healthy.accepted.values()) == {1}
            assert len(healthy.accepted) == 200
            assert len(down.attempts) < 30
            await on.dispatcher.stop(0.0)

    virtually(story())


def test_stop_lets_attempts_end_that_are_under_way_and_gives_the_rest_back() -> None:
    async def story() -> None:
        receiver, outbox = Receiver(seconds=3.0, concurrency=4), StagedOutbox(flush=0.5)
        for _ in range(20):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await asyncio.sleep(1)
            await on.dispatcher.stop(10.0)
            took = asyncio.get_running_loop().time()

        assert took == pytest.approx(3.5, abs=0.1)
        assert receiver.accepted.total() == len(outbox.settled) == 4
        assert not outbox.claims
        assert receiver.is_closed

    virtually(story())


def test_stop_cuts_attempts_when_its_patience_ends_and_gives_them_back() -> None:
    async def story() -> None:
        receiver, outbox = Receiver(seconds=3600.0), StagedOutbox()
        for _ in range(20):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await asyncio.sleep(1)
            await on.dispatcher.stop(10.0)

            assert asyncio.get_running_loop().time() == pytest.approx(11.0, abs=0.1)
            assert receiver.under_way == 0
            assert not outbox.claims
            assert len(outbox.pending) == 20

    virtually(story())


def test_what_is_waited_for_before_a_stop_counts_as_its_patience() -> None:
    """Whoever ends a process has told it how long: what was gathered last is no reason to take longer."""

    async def story() -> None:
        receiver, outbox = Receiver(seconds=3600.0), StagedOutbox()
        for _ in range(20):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await asyncio.sleep(1)
            on.outbox.wake(None)
            await on.dispatcher.stop(10.0)

            assert asyncio.get_running_loop().time() <= 11.001

    virtually(story())


def test_stop_does_not_wait_for_an_outbox_that_takes_nothing_any_more() -> None:
    async def story() -> None:
        receiver, outbox = Receiver(), StagedOutbox()
        outbox.settle_errors += [OutboxError("disk full") for _ in range(1000)]
        outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await asyncio.sleep(5)
            await on.dispatcher.stop(10.0)

            assert asyncio.get_running_loop().time() == pytest.approx(15.0, abs=0.1)
            assert not outbox.claims

    virtually(story())


def test_nothing_is_attempted_after_stop() -> None:
    async def story() -> None:
        receiver = Receiver()
        async with stage(receiver) as on:
            await on.dispatcher.stop(1.0)
            on.outbox.put("sink")
            await asyncio.sleep(100)

            assert not receiver.attempts

    virtually(story())


def test_a_stop_that_comes_while_claims_are_read_gives_those_back_too() -> None:
    async def story() -> None:
        class SlowQueue(StagedQueue):
            async def claim(self, destination: str, wanted: Wanted) -> Sequence[Delivery]:
                found = await super().claim(destination, wanted)
                await asyncio.sleep(1)
                return found

        class SlowOutbox(StagedOutbox):
            def queue(self, owner: str) -> StagedQueue:
                return SlowQueue(self, owner)

        outbox, receiver = SlowOutbox(), Receiver()
        for _ in range(5):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await asyncio.sleep(0.5)
            await on.dispatcher.stop(10.0)

            assert not outbox.claims
            assert not receiver.attempts

    virtually(story())


def test_new_channels_take_over_and_no_event_is_lost_or_under_way_twice() -> None:
    async def story() -> None:
        outbox = StagedOutbox(flush=0.05)
        receivers = [Receiver("sink", seconds=0.2, concurrency=8) for _ in range(6)]
        async with stage(receivers[0], outbox=outbox) as on:
            for receiver in receivers[1:]:
                for _ in range(50):
                    outbox.put("sink")
                await asyncio.sleep(0.3)
                await on.dispatcher.replace({"sink": Channel(receiver, render)})
            await outbox.until_settled()

        total = sum((receiver.accepted for receiver in receivers), Counter[str]())
        assert total == Counter({f"event-{number}": 1 for number in range(1, 251)})
        assert all(receiver.is_closed for receiver in receivers)

    virtually(story())


def test_a_destination_that_is_removed_keeps_its_events_for_when_it_comes_back() -> None:
    async def story() -> None:
        one, other = Receiver("one", answer=lambda *_: TryAgain("http_503")), Receiver("other")
        async with stage(one, other) as on:
            on.outbox.put("one", "other")
            await asyncio.sleep(5)
            await on.dispatcher.replace({"other": Channel(Receiver("other"), render)})
            await asyncio.sleep(3600)
            kept = on.outbox.pending
            mended = Receiver("one")
            await on.dispatcher.replace({"one": Channel(mended, render)})
            await on.outbox.until_settled()

        assert kept == {("one", "event-1")}
        assert mended.accepted == Counter({"event-1": 1})

    virtually(story())


def test_a_slow_lane_holds_up_no_other_when_channels_are_replaced() -> None:
    async def story() -> None:
        hanging, quick, quick_again = Receiver("hanging", seconds=10**6), Receiver("quick"), Receiver("quick")
        async with stage(hanging, quick) as on:
            on.outbox.put("hanging", "quick")
            await asyncio.sleep(1)
            replacing = asyncio.create_task(on.dispatcher.replace({"quick": Channel(quick_again, render)}, 60.0))
            await asyncio.sleep(1)
            on.outbox.put("quick")
            await asyncio.sleep(1)

            assert quick_again.accepted == Counter({"event-2": 1})
            await replacing

    virtually(story())


def test_events_for_destinations_that_nobody_knows_wait() -> None:
    async def story() -> None:
        async with stage(Receiver(answer=lambda *_: Delivered())) as on:
            on.outbox.put("unknown")
            await asyncio.sleep(10)

            assert on.outbox.pending == {("unknown", "event-1")}

    virtually(story())


def test_claims_last_as_long_as_the_attempts_that_need_them() -> None:
    """Another owner would deliver a second time what a slow receiver is just taking."""

    async def story() -> None:
        async with stage(Receiver(seconds=10 * LEASE)) as on:
            on.outbox.put("sink")
            for _ in range(9):
                await asyncio.sleep(LEASE)

                assert not await on.outbox.queue("another").claim("sink", Wanted(1))
            await on.outbox.until_settled()

    virtually(story())


def test_what_an_earlier_life_had_claimed_is_delivered_at_once() -> None:
    """A process that was killed in the middle of an attempt is back before its claims expire."""

    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver()
        outbox.put("sink")
        await outbox.queue(OWNER).claim("sink", Wanted(1))
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert receiver.attempts[0][0] < 1.0

    virtually(story())


def test_a_lane_whose_channel_is_the_same_is_not_disturbed() -> None:
    """A reload may have changed something else; an attempt that it cuts is made a second time."""

    async def story() -> None:
        receiver = Receiver("sink", seconds=100)
        channels = {"sink": Channel(receiver, render)}
        async with stage() as on:
            await on.dispatcher.replace(channels)
            on.outbox.put("sink")
            await asyncio.sleep(1)
            await on.dispatcher.replace(dict(channels))
            was_closed = receiver.is_closed
            await on.outbox.until_settled()

        assert not was_closed
        assert len(receiver.attempts) == 1

    virtually(story())


@pytest.mark.parametrize("part", ["_feeder", "_recorder", "_slots"])
def test_a_lane_that_has_ended_by_itself_is_told(part: str) -> None:
    """Its events would wait for ever, and nobody would know."""

    async def story() -> None:
        async with stage(Receiver("sink"), Receiver("other")) as on:
            before = on.dispatcher.failure
            getattr(on.dispatcher._lanes["sink"], part)[0].cancel()
            await asyncio.sleep(1)
            told = on.dispatcher.failure

        assert before == ""
        assert told == "deliveries to sink have ended"
        assert on.dispatcher.failure == ""

    virtually(story())
