"""Flights, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from router.errors import TimedOutError
from router.images import Digest
from router.reasons import Proof
from router.registry.wire import ImageWire, listen, question
from router.verdict import Verdict
from router.verification.flights import Flights
from router.verification.flights import FlightWork as AnyWork
from router.verification.judgement import Judgement, refused
from router.verification.verdict_cache import VerdictKey
from tests.verification.test_verdict_cache import key
from tests.verification.world import in_virtual_time

DIGEST = Digest.of(b"the image")
LATE = refused(TimedOutError("no verdict in time"), DIGEST)


class InTime(Flights[VerdictKey, Judgement]):
    """Flights whose waiters take no result in time for a timeout."""

    def __init__(self) -> None:
        super().__init__(lambda found: found.is_timeout)

    async def join(self, key: VerdictKey, deadline: float, work: AnyWork[Judgement]) -> Judgement:
        """The result, or LATE."""
        return await super().join(key, deadline, work) or LATE


def judgement() -> Judgement:
    return Judgement(Verdict.VERIFIED, Proof.SIGNED, "detail", DIGEST, (), cached=False)


class Work:
    """Work that takes a while, or times out at the deadline that it was given; counts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadlines: list[float] = []
        self.cancelled = 0

    async def __call__(self, deadline: float) -> Judgement:
        """Verified after a while, or unverifiable(timeout)."""
        self.deadlines.append(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(self.seconds)
        except TimeoutError:
            return refused(TimedOutError("no answer"), DIGEST)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return judgement()


async def later(seconds: float, start: Callable[[], Awaitable[Judgement]]) -> Judgement:
    await asyncio.sleep(seconds)
    return await start()


def test_whoever_asks_for_the_same_waits_for_the_same_work() -> None:
    async def scenario() -> tuple[list[Judgement], int]:
        flights, work = InTime(), Work(2.0)
        found = await asyncio.gather(flights.join(key(), 9.0, work), later(1.0, lambda: flights.join(key(), 9.0, work)))
        assert len(flights) == 0
        return list(found), len(work.deadlines)

    found, count = in_virtual_time(scenario())

    assert {entry.verdict for entry in found} == {Verdict.VERIFIED}
    assert count == 1


def test_other_keys_are_other_work() -> None:
    async def scenario() -> int:
        flights, work = InTime(), Work(1.0)
        await asyncio.gather(*(flights.join(key(number), 9.0, work) for number in range(3)))
        return len(work.deadlines)

    assert in_virtual_time(scenario()) == 3


def test_a_waiter_that_is_cancelled_takes_nothing_from_the_others() -> None:
    async def scenario() -> tuple[Judgement, Work]:
        flights, work = InTime(), Work(2.0)
        first = asyncio.create_task(flights.join(key(), 9.0, work))
        second = asyncio.create_task(flights.join(key(), 9.0, work))
        await asyncio.sleep(1.0)
        first.cancel()
        return await second, work

    found, work = in_virtual_time(scenario())

    assert found.verdict is Verdict.VERIFIED
    assert (len(work.deadlines), work.cancelled) == (1, 0)


def test_when_the_last_waiter_goes_the_work_ends() -> None:
    async def scenario() -> tuple[Work, Judgement]:
        flights, work = InTime(), Work(3600.0)
        waiting = [asyncio.create_task(flights.join(key(), 9000.0, work)) for _ in range(2)]
        await asyncio.sleep(1.0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert len(flights) == 0
        quick = Work(1.0)  # who comes now begins anew and does not get what was broken off
        return work, await flights.join(key(), 9000.0, quick)

    work, found = in_virtual_time(scenario())

    assert work.cancelled == 1
    assert found.verdict is Verdict.VERIFIED


def test_a_waiter_with_less_time_leaves_earlier_and_the_work_goes_on() -> None:
    async def scenario() -> tuple[Judgement, float, Judgement]:
        flights, work = InTime(), Work(5.0)
        patient = asyncio.create_task(flights.join(key(), 9.0, work))
        await asyncio.sleep(0)
        hurried = await flights.join(key(), 2.0, work)
        left = asyncio.get_running_loop().time()
        return hurried, left, await patient

    hurried, left, patient = in_virtual_time(scenario())

    assert (hurried.verdict, hurried.reason, left) == (Verdict.UNVERIFIABLE, "timeout", 2.0)
    assert patient.verdict is Verdict.VERIFIED


def test_the_first_ones_timeout_is_not_told_to_those_who_still_have_time() -> None:
    """They fly again, together: once, until the latest of their deadlines."""

    async def scenario() -> tuple[list[Judgement], Work]:
        flights, work = InTime(), Work(4.0)
        found = await asyncio.gather(*(flights.join(key(), deadline, work) for deadline in (3.0, 8.0, 9.0, 10.0)))
        return found, work

    found, work = in_virtual_time(scenario())

    assert [entry.verdict for entry in found] == [Verdict.UNVERIFIABLE, *[Verdict.VERIFIED] * 3]
    assert work.deadlines == [3.0, 10.0]


def test_a_thousand_waiters_at_a_hanging_registry_make_few_attempts() -> None:
    async def scenario() -> tuple[list[Judgement], Work]:
        flights, work = InTime(), Work(3600.0)
        found = await asyncio.gather(*(flights.join(key(), 8.0 + number / 1000, work) for number in range(1000)))
        return found, work

    found, work = in_virtual_time(scenario())

    assert {entry.reason for entry in found} == {"timeout"}
    assert len(work.deadlines) == 2


def test_work_that_ignores_its_deadline_holds_nobody() -> None:
    async def endless(_: float) -> Judgement:
        await asyncio.sleep(10**6)
        return judgement()

    async def scenario() -> tuple[Judgement, float]:
        found = await InTime().join(key(), 3.0, endless)
        return found, asyncio.get_running_loop().time()

    found, time = in_virtual_time(scenario())

    assert (found.reason, time) == ("timeout", 3.0)


def test_a_deadline_that_has_passed_is_a_timeout_at_once() -> None:
    async def scenario() -> Judgement:
        await asyncio.sleep(5.0)
        return await InTime().join(key(), 3.0, Work(1.0))

    assert in_virtual_time(scenario()).reason == "timeout"


def test_a_bug_reaches_everybody_who_waits() -> None:
    async def broken(_: float) -> Judgement:
        await asyncio.sleep(1.0)
        raise ZeroDivisionError

    async def scenario() -> list[object]:
        flights = InTime()
        waiting = [flights.join(key(), 9.0, broken) for _ in range(2)]
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    assert [type(found) for found in in_virtual_time(scenario())] == [ZeroDivisionError] * 2


def test_what_a_flight_asks_is_on_the_wire_for_all_who_have_joined_it() -> None:
    """Who joins late is late: only what was asked since then is a question about its image."""

    async def asking(_: float) -> Judgement:
        with question() as asked:
            asked.begin()
            await asyncio.sleep(10**6)
        return judgement()

    async def scenario() -> list[float]:
        flights, loop = InTime(), asyncio.get_running_loop()

        async def joined(deadline: float) -> float:
            wire, began = ImageWire(), loop.time()
            listen(wire)
            await flights.join(key(), deadline, asking)
            return wire.longest(began, deadline)

        first = asyncio.create_task(joined(8.0))
        await asyncio.sleep(3.0)
        return [await joined(8.0), await first]

    assert in_virtual_time(scenario()) == [5.0, 8.0]
