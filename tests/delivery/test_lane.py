"""What one destination's lane does, in virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from router.delivery.attempts import Attempts
from router.delivery.breaker import FAILURES, LAST_PAUSE, PROBES
from router.delivery.budget import ALL_BYTES, LANE_BYTES
from router.delivery.lane import CHUNK, QUIET
from router.delivery.news import GATHER
from router.destinations.document import Document
from router.destinations.outcome import AttemptOutcome, Delivered, Outcome, TryAgain, Undeliverable
from router.errors import OutboxError
from router.outbox import Accepted, Delivery, DeliverySelection, NewEvent, SetAside, Settlement
from router.verdict import Severity
from tests.delivery.stage import Receiver, StagedOutbox, clock, stage
from tests.simulators.virtual_time import virtually


def fails(times: int, failure: Outcome | Exception) -> Receiver:
    """A receiver that fails so often before it accepts."""
    return Receiver(answer=lambda number, _: failure if number <= times else Delivered())


def test_an_event_is_delivered_at_once_and_settled() -> None:
    async def story() -> None:
        receiver = Receiver()
        async with stage(receiver) as on:
            await asyncio.sleep(30.4)
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert receiver.attempts == [(30.4, ("event-1",))]
        assert [(type(one), one.event_id, one.attempts) for one in on.outbox.settled] == [(Accepted, "event-1", 1)]
        assert on.counts.attempts == ["delivered"]
        assert on.counts.lags == [pytest.approx(0.001, abs=1e-5)]

    virtually(story())


def test_what_waited_before_the_start_is_delivered_in_the_order_in_which_it_became_due() -> None:
    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver(concurrency=1)
        for _ in range(300):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert [ids[0] for _, ids in receiver.attempts] == [f"event-{number}" for number in range(1, 301)]

    virtually(story())


def test_what_somebody_makes_due_is_delivered_at_once() -> None:
    """A replay by an operator who waits for it, for one."""

    async def story() -> None:
        receiver = fails(1, TryAgain("http_503", after=3000.0))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await asyncio.sleep(10.5)
            await on.outbox.replay(DeliverySelection())
            await on.outbox.until_settled()

        assert receiver.attempts[1][0] == 10.5

    virtually(story())


@pytest.mark.parametrize("failure", [TryAgain("http_500"), TryAgain("timeout"), RuntimeError("a mistake of ours")])
def test_a_failure_that_may_pass_is_tried_again_with_the_same_id(failure: Outcome | Exception) -> None:
    async def story() -> None:
        receiver = fails(2, failure)
        async with stage(receiver) as on:
            on.outbox.put("sink", event_id="the-one")
            await on.outbox.until_settled()

        assert [ids for _, ids in receiver.attempts] == [("the-one",)] * 3
        assert [(type(one), one.attempts) for one in on.outbox.settled] == [(Accepted, 3)]
        expected = failure.reason if isinstance(failure, TryAgain) else "internal_error"
        assert [one.reason for one in on.outbox.postponed] == [expected] * 2

    virtually(story())


def test_retry_after_is_waited_for_to_the_second() -> None:
    async def story() -> None:
        receiver = fails(1, TryAgain("http_429", after=120.0))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert 120.0 <= receiver.attempts[1][0] <= 120.5

    virtually(story())


def test_an_event_that_waits_holds_up_no_other() -> None:
    async def story() -> None:
        receiver = Receiver(answer=lambda _, ids: TryAgain("http_503") if ids == ("event-1",) else Delivered())
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await asyncio.sleep(30)
            on.outbox.put("sink")
            await asyncio.sleep(0.1)

            assert receiver.accepted == Counter({"event-2": 1})
            receiver.answer = lambda *_: Delivered()
            await on.outbox.until_settled()

    virtually(story())


def test_what_a_receiver_asks_us_to_wait_holds_for_all_that_goes_there() -> None:
    async def story() -> None:
        receiver = fails(1, TryAgain("http_429", after=600.0))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await asyncio.sleep(1)
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert [seconds for seconds, _ in receiver.attempts[1:]] == [pytest.approx(600, abs=1.5)] * 2

    virtually(story())


def test_what_the_router_itself_changes_hurries_nobody() -> None:
    """An incident that has counted an event says nothing about a receiver that has asked us to wait."""

    async def story() -> None:
        receiver = fails(1, TryAgain("http_429", after=600.0))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            for _ in range(5):
                await asyncio.sleep(1)
                on.outbox.put("sink")
                on.outbox.wake(None)
            await on.outbox.until_settled()

        assert [seconds for seconds, _ in receiver.attempts[1:]] == [pytest.approx(600, abs=1.5)] * 6

    virtually(story())


def test_what_is_refused_for_good_is_set_aside_after_one_attempt() -> None:
    async def story() -> None:
        receiver = fails(9, Undeliverable("http_400"))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert isinstance(on.outbox.settled[0], SetAside)
        assert on.outbox.settled[0].reason == "http_400"
        assert on.counts.given_up == ["http_400"]
        assert len(receiver.attempts) == 1

    virtually(story())


def test_an_event_is_given_up_when_its_time_is_over_after_one_last_attempt() -> None:
    async def story() -> None:
        receiver = fails(10**6, TryAgain("http_503"))
        receiver.give_up_after = 3600.0
        async with stage(receiver) as on:
            await asyncio.sleep(50)
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert 3650 <= receiver.attempts[-1][0] <= 3650 + LAST_PAUSE + QUIET
        assert isinstance(on.outbox.settled[0], SetAside)
        assert on.outbox.settled[0].reason == "http_503"
        assert on.outbox.settled[0].attempts == len(receiver.attempts)

    virtually(story())


def test_time_in_which_nobody_could_try_is_not_held_against_an_event() -> None:
    """The router may have been down for days, or the event replayed: it still has its whole time."""

    async def story() -> None:
        outbox, receiver = StagedOutbox(), fails(3, TryAgain("http_503"))
        receiver.give_up_after = 3600.0
        outbox.put("sink")
        await asyncio.sleep(10 * 86400)
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert receiver.accepted == Counter({"event-1": 1})

    virtually(story())


def test_a_destination_that_is_down_is_left_alone_and_probed_one_by_one() -> None:
    async def story() -> None:
        receiver = fails(10**6, TryAgain("http_503"))
        async with stage(receiver) as on:
            for _ in range(1000):
                on.outbox.put("sink")
            await asyncio.sleep(1.0)
            receiver.most_under_way = 0
            await asyncio.sleep(600)

            assert len(receiver.attempts) <= FAILURES + receiver.concurrency + PROBES * 25
            assert receiver.most_under_way == 1

    virtually(story())


def test_a_destination_that_is_back_gets_everything_soon() -> None:
    async def story() -> float:
        receiver = Receiver()
        receiver.answer = lambda *_: TryAgain("http_503") if 1 < asyncio.get_running_loop().time() < 6 else Delivered()
        async with stage(receiver) as on:
            for _ in range(100):
                on.outbox.put("sink")
                await asyncio.sleep(0.05)
            await on.outbox.until_settled()

            assert receiver.accepted == Counter(f"event-{number}" for number in range(1, 101))
        return receiver.attempts[-1][0]

    assert virtually(story()) < 30


def test_a_late_success_ends_the_pause() -> None:
    """Attempts that were under way when the breaker opened may still succeed: then the destination is there."""

    async def story() -> None:
        class Slow(Receiver):
            async def deliver(self, documents: Sequence[Document]) -> AttemptOutcome:
                if documents[0].event_id == "event-1":
                    await asyncio.sleep(0.5)
                    return Delivered()
                return await super().deliver(documents)

        receiver = Slow(answer=lambda number, _: TryAgain("http_503") if number <= FAILURES else Delivered())
        async with stage(receiver) as on:
            for _ in range(60):
                on.outbox.put("sink")
            await asyncio.sleep(0.8)

            assert len(receiver.accepted) > 30
            await on.outbox.until_settled()

    virtually(story())


def test_refused_credentials_pause_the_destination_and_nothing_is_given_up() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=1, give_up_after=3600.0)
        receiver.answer = lambda *_: (
            TryAgain("http_401", pauses=True) if asyncio.get_running_loop().time() < 10 * 3600 else Delivered()
        )
        async with stage(receiver) as on:
            for _ in range(5):
                on.outbox.put("sink")
            await on.outbox.until_settled()

        assert [ids for _, ids in receiver.attempts[:4]] == [(f"event-{number}",) for number in (1, 2, 3, 5)]
        assert len(receiver.attempts) < 10 * 3600 / 100
        assert receiver.attempts[-1][0] <= 10 * 3600 + 310
        assert all(isinstance(one, Accepted) for one in on.outbox.settled)
        assert on.counts.refusals == [False, True, False, False]

    virtually(story())


def test_no_more_attempts_are_under_way_than_the_destination_wants() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=3)
        async with stage(receiver) as on:
            for _ in range(100):
                on.outbox.put("sink")
            await on.outbox.until_settled()

        assert receiver.most_under_way == 3

    virtually(story())


def test_what_a_crash_would_repeat_is_bounded_while_the_disk_is_slow() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=16)
        async with stage(receiver, outbox=StagedOutbox(flush=5.0)) as on:
            for _ in range(500):
                on.outbox.put("sink")
            for _ in range(40):
                await asyncio.sleep(1)
                undurable = len(receiver.attempts) - len(on.outbox.settled)

                assert undurable <= 16
            await on.outbox.until_settled()

    virtually(story())


def test_no_more_events_are_held_in_memory_than_a_few_rounds_need() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=8, seconds=10.0)
        async with stage(receiver) as on:
            for _ in range(2000):
                on.outbox.put("sink")
            await asyncio.sleep(5)

            assert len(on.outbox.claims) <= 2 * CHUNK
            on.outbox.rows.clear()
            await on.dispatcher.stop(0.0)

    virtually(story())


@pytest.mark.parametrize(("count", "size"), [(1000, 1), (200, 200_000)])
def test_where_many_wait_no_claim_waits_for_more(count: int, size: int) -> None:
    """An outbox gives 128 at most at once, and fewer where they are large: that is no sign that there are no more."""

    async def story() -> float:
        outbox, began = StagedOutbox(most=128), clock()
        for number in range(count):
            outbox.store(NewEvent(f"e{number}", b'{"data":{"a":"%b"}}' % (b"x" * size), clock(), ("sink",)))
        async with stage(Receiver(batch_size=100, concurrency=16, seconds=0.0), outbox=outbox):
            await outbox.until_settled()
            return clock() - began

    assert virtually(story()) < GATHER


def test_few_new_events_are_claimed_together() -> None:
    """While they come one by one, each claim finds what has come meanwhile."""

    async def story() -> None:
        async with stage(Receiver()) as on:
            for _ in range(1000):
                on.outbox.put("sink")
                await asyncio.sleep(0.0005)
            await on.outbox.until_settled()

            assert len(on.outbox.looks) < 250

    virtually(story())


LARGE = b'{"data":{"a":"' + b"x" * 260_000 + b'"}}'


def test_a_receiver_that_hangs_keeps_bounded_bytes_in_memory_and_holds_up_nobody() -> None:
    """Large events and a hanging receiver must not fill the memory, nor keep the loop busy."""

    async def story() -> None:
        hanging, healthy = Receiver("hanging", seconds=60.0), Receiver("healthy")
        async with stage(hanging, healthy) as on:
            for number in range(60):
                on.outbox.store(NewEvent(f"e{number}", LARGE, clock(), ("hanging", "healthy")))
                await asyncio.sleep(0.1)
            held = len([one for one, _ in on.outbox.claims if one == "hanging"]) * len(LARGE)

            assert held <= LANE_BYTES + len(LARGE)
            assert len(healthy.accepted) == 60
            assert len(on.outbox.looks) < 1000
            await on.outbox.until_settled()

    virtually(story())


def test_all_lanes_together_hold_bounded_bytes_and_each_at_least_one_event() -> None:
    async def story() -> None:
        names = [f"sink-{number}" for number in range(12)]
        hanging = [Receiver(name, seconds=3600.0) for name in names]
        outbox = StagedOutbox()
        for number in range(40):
            outbox.store(NewEvent(f"e{number}", LARGE, clock(), names))
        async with stage(*hanging, outbox=outbox) as on:
            await asyncio.sleep(60)
            held = Counter(name for name, _ in on.outbox.claims)
            looks = len(on.outbox.looks)
            outbox.rows.clear()
            await on.dispatcher.stop(0.0)

        assert held.total() * len(LARGE) <= ALL_BYTES + LANE_BYTES + len(names) * len(LARGE)
        assert min(held[name] for name in names) >= 1
        assert looks < 200

    virtually(story())


def test_what_is_urgent_goes_beyond_what_all_lanes_may_hold_by_a_bounded_part() -> None:
    async def story() -> None:
        names = [f"sink-{number}" for number in range(12)]
        outbox = StagedOutbox()
        for number in range(5):  # four are under way, and one waits, in each lane
            outbox.store(NewEvent(f"e{number}", LARGE, clock(), names))
        async with stage(*(Receiver(name, seconds=3600.0) for name in names), outbox=outbox) as on:
            await asyncio.sleep(60)
            for number in range(40):
                outbox.store(NewEvent(f"u{number}", LARGE, clock(), names, severity=Severity.CRITICAL))
            await asyncio.sleep(60)
            claimed = Counter(event_id[0] for _, event_id in on.outbox.claims)
            outbox.rows.clear()
            await on.dispatcher.stop(0.0)

        assert claimed["u"] >= 1
        assert claimed.total() * len(LARGE) <= ALL_BYTES + len(names) * len(LARGE)

    virtually(story())


def test_an_urgent_event_overtakes_what_is_claimed_already() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=2, seconds=1.0)
        async with stage(receiver) as on:
            for _ in range(200):
                on.outbox.put("sink")
            await asyncio.sleep(10.5)
            on.outbox.store(NewEvent("urgent", b'{"data":{"a":1}}', clock(), ["sink"], severity=Severity.HIGH))
            took = await receiver.until_accepted("urgent")
            await on.outbox.until_settled()

        assert took <= 2.2, "an attempt under way, and its own"

    virtually(story())


def test_a_flood_of_urgent_events_does_not_starve_the_oldest() -> None:
    async def story() -> None:
        receiver = Receiver(concurrency=1, seconds=0.1)
        async with stage(receiver) as on:
            on.outbox.put("sink", event_id="old")
            on.outbox.put("sink", event_id="older-than-the-flood")
            for number in range(400):
                on.outbox.store(NewEvent(f"u{number}", b'{"data":{"a":1}}', clock(), ["sink"], severity=Severity.HIGH))
            await asyncio.sleep(5)

            assert {"old", "older-than-the-flood"} <= set(receiver.accepted)
            await on.outbox.until_settled()

    virtually(story())


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("failure", [TryAgain("unauthorised", pauses=True), TryAgain("http_500"), TryAgain("timeout")])
def test_events_that_a_receiver_chokes_on_hold_up_no_other(failure: TryAgain, concurrency: int) -> None:
    """Who deploys can make such events, and as urgent as any."""

    async def story() -> None:
        receiver = Receiver(concurrency=concurrency, seconds=0.0)
        receiver.answer = lambda _, ids: failure if ids[0].startswith("poison") else Delivered()
        late = list[float]()
        async with stage(receiver) as on:
            for number in range(40):
                on.outbox.put("sink", event_id=f"poison-{number}")
            await asyncio.sleep(3)
            for number in range(100):
                on.outbox.put("sink", event_id=f"good-{number}")
                late.append(await receiver.until_accepted(f"good-{number}"))
                await asyncio.sleep(5)
            aside = [one.event_id for one in on.outbox.settled if isinstance(one, SetAside)]
            on.outbox.rows.clear()

        assert max(late) < 20
        assert sum(late) / len(late) < 2
        assert len(aside) == (40 if failure.pauses else 0)

    virtually(story())


def test_an_event_that_is_refused_while_nothing_else_is_taken_waits() -> None:
    async def story() -> None:
        receiver = Receiver(answer=lambda *_: TryAgain("unauthorised", pauses=True))
        async with stage(receiver) as on:
            for _ in range(2):
                on.outbox.put("sink")
            await asyncio.sleep(2 * 86400)

            assert not on.outbox.settled
            receiver.answer = lambda *_: Delivered()
            await on.outbox.until_settled()

        assert receiver.accepted.total() == 2

    virtually(story())


@pytest.mark.parametrize("mended", ["replay", "reload"])
def test_whoever_has_mended_a_paused_destination_has_it_probed_at_once(mended: str) -> None:
    async def story() -> None:
        receiver = Receiver(answer=lambda *_: TryAgain("unauthorised", pauses=True))
        async with stage(receiver) as on:
            for _ in range(5):
                on.outbox.put("sink")
            await asyncio.sleep(3600)
            receiver.answer = lambda *_: Delivered()
            on.outbox.put("sink", event_id="newest")
            if mended == "replay":
                await on.outbox.replay(DeliverySelection())
            else:
                await on.dispatcher.replace(on.channels)
            await asyncio.sleep(1)

            assert "newest" in receiver.accepted
            await on.outbox.until_settled()

        assert on.counts.refusals == [False, True, False, False]

    virtually(story())


def test_events_share_an_attempt_where_the_destination_takes_batches() -> None:
    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver(concurrency=1, batch_size=50)
        for _ in range(500):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert len(receiver.attempts) == 10
        assert receiver.accepted.total() == 500

    virtually(story())


def test_one_bad_event_dooms_no_other_of_its_batch() -> None:
    async def story() -> None:
        outbox = StagedOutbox()
        receiver = Receiver(concurrency=1, batch_size=10)
        receiver.answer = lambda _, ids: Undeliverable("http_400") if "event-7" in ids else Delivered()
        for _ in range(10):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox) as on:
            await outbox.until_settled()

        assert receiver.accepted == Counter(f"event-{n}" for n in range(1, 11) if n != 7)
        assert on.counts.given_up == ["http_400"]

    virtually(story())


def test_an_event_that_can_not_be_rendered_is_kept_and_holds_up_no_other() -> None:
    async def story() -> None:
        def rendering(event_id: str, body: bytes, _template: str) -> Document:
            if event_id == "event-2" and asyncio.get_running_loop().time() < 100:
                raise ValueError("a mistake of ours")
            return Document(event_id, body, is_fallback=event_id == "event-3")

        outbox, receiver = StagedOutbox(), Receiver(batch_size=3, concurrency=1)
        for _ in range(3):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox, rendering=rendering) as on:
            await asyncio.sleep(1)
            after_a_second = dict(receiver.accepted)
            await outbox.until_settled()

        assert after_a_second == {"event-1": 1, "event-3": 1}
        assert receiver.accepted.total() == 3
        assert on.counts.fallbacks == 1
        assert {one.reason for one in outbox.postponed} == {"internal_error"}

    virtually(story())


def test_a_settlement_that_the_outbox_can_not_take_is_kept_until_it_can() -> None:
    """What was delivered must not be forgotten while we live, or it would be delivered again."""

    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver()
        outbox.settle_errors += [OutboxError("disk full"), RuntimeError("a mistake of ours")]
        outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert receiver.accepted == Counter({"event-1": 1})
        assert len(receiver.attempts) == 1

    virtually(story())


def test_a_claim_that_fails_is_tried_again() -> None:
    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver()
        outbox.claim_errors += [OutboxError("busy"), RuntimeError("a mistake of ours")]
        outbox.put("sink")
        async with stage(receiver, outbox=outbox):
            await outbox.until_settled()

        assert receiver.accepted == Counter({"event-1": 1})

    virtually(story())


def test_an_attempt_that_breaks_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours must not cost a slot, nor keep what it was about."""
    broken = iter([True])
    make = Attempts.make

    async def once_broken(attempts: Attempts, batch: Sequence[Delivery], record: Callable[[Settlement], None]) -> None:
        if next(broken, False):
            raise RuntimeError("a mistake of ours")
        await make(attempts, batch, record)

    monkeypatch.setattr(Attempts, "make", once_broken)

    async def story() -> None:
        receiver = Receiver(concurrency=1)
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await on.outbox.until_settled()

            assert not on.dispatcher.failure
        assert receiver.accepted == Counter({"event-1": 1})

    virtually(story())


def test_an_idle_lane_asks_for_nothing() -> None:
    async def story() -> None:
        async with stage(Receiver()) as on:
            await asyncio.sleep(1)
            on.outbox.looks.clear()
            await asyncio.sleep(100_000)

            assert not on.outbox.looks

    virtually(story())


def test_what_is_due_later_is_delivered_then_without_being_asked_for() -> None:
    async def story() -> None:
        receiver = fails(1, TryAgain("http_503", after=3000.0))
        async with stage(receiver) as on:
            on.outbox.put("sink")
            await on.outbox.until_settled()

        assert len(on.outbox.looks) <= 8
        assert 3000.0 <= receiver.attempts[1][0] <= 3000.5

    virtually(story())


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(3))
def test_two_thirds_of_the_answers_may_fail_by_chance(seed: int) -> None:
    """500 or 429 with Retry-After 1, at random: all of 2,000 events arrive once and within two minutes."""

    async def story() -> float:
        dice = random.Random(seed)  # noqa: S311 - chance, not secrets
        answers: list[Outcome] = [Delivered(), TryAgain("http_500"), TryAgain("http_429", after=1.0)]
        receiver = Receiver(answer=lambda _, __: dice.choice(answers), concurrency=16)
        outbox = StagedOutbox()
        for _ in range(2000):
            outbox.put("sink")
        async with stage(receiver, outbox=outbox, seed=seed):
            await outbox.until_settled()

        assert set(receiver.accepted.values()) == {1}
        assert len(receiver.accepted) == 2000
        return receiver.attempts[-1][0]

    assert virtually(story()) < 120
