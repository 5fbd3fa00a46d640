"""Memory and flights, in virtual time."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from router.errors import TimedOutError
from router.images import Digest
from router.reasons import Distrust, Obstacle, Proof
from router.registry.wire import Wire, listen, question
from router.verdict import Verdict
from router.verification.judgement import Judgement, refused
from router.verification.scheme import Signer
from router.verification.verdict_cache import PROOF_BYTES, REFUSAL_BYTES, Flights, Key, VerdictCache
from tests.verification.world import in_virtual_time

DIGEST = Digest.of(b"the image")


def key(number: int = 0) -> Key:
    return ("registry.example", "shop/web", DIGEST, f"rule {number}", "trust")


def judgement(verdict: Verdict = Verdict.VERIFIED) -> Judgement:
    return Judgement(verdict, Proof.SIGNED, "detail", DIGEST, (), cached=False)


def refusal(detail: str) -> Judgement:
    return Judgement(Verdict.UNTRUSTED, Distrust.UNTRUSTED_SIGNER, detail, DIGEST, (), cached=False)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_remembered_says_so(verdict: Verdict) -> None:
    cache = VerdictCache(lambda: 0.0)
    cache.put(key(), judgement(verdict))
    kept = cache.get(key())

    assert (kept is not None) == (verdict in {"verified", "unsigned", "untrusted", "invalid"})
    assert kept is None or kept.cached


def room_for(count: int, *kept: Judgement) -> int:
    """Bytes that so many of these take."""
    probe = VerdictCache(lambda: 0.0)
    for number, entry in enumerate(kept or (judgement(),)):
        probe.put(key(number), entry)
    return probe.size * count


def test_the_one_unused_for_longest_goes_first() -> None:
    cache = VerdictCache(lambda: 0.0, proof_bytes=room_for(2))
    cache.put(key(1), judgement())
    cache.put(key(2), judgement())
    cache.get(key(1))
    cache.put(key(3), judgement())

    assert [cache.get(key(number)) is not None for number in (1, 2, 3)] == [True, False, True]
    assert len(cache) == 2


def test_no_number_of_refusals_takes_the_place_of_a_proof() -> None:
    """Whoever deploys can have as many images refused as they like, by dry runs, too."""
    cache = VerdictCache(lambda: 0.0, refusal_bytes=room_for(3))
    cache.put(key(0), judgement())
    for number in range(1, 100):
        cache.put(key(number), judgement(Verdict.UNSIGNED))

    assert cache.get(key(0)) is not None
    assert len(cache) == 4


def test_names_and_details_count_as_they_are_long() -> None:
    """Others choose them: a count alone would bound nothing."""
    cache = VerdictCache(lambda: 0.0, refusal_bytes=20_000)
    for number in range(100):
        cache.put((f"{number}.{'a' * 240}", "b" * 255, DIGEST, "rule", "trust"), refusal("d" * 2000))

    assert cache.size <= 20_000
    assert 3 <= len(cache) <= 20_000 // 2500


def test_what_is_remembered_anew_counts_once() -> None:
    cache = VerdictCache(lambda: 0.0)
    for verdict in (Verdict.VERIFIED, Verdict.UNSIGNED, Verdict.VERIFIED, Verdict.VERIFIED):
        cache.put(key(), judgement(verdict))

    assert len(cache) == 1
    assert cache.size == room_for(1)


def test_fifty_thousand_usual_proofs_fit_and_take_no_more_memory_than_is_said() -> None:
    """The bound is a promise about memory, so it is held against memory: of a tenth of them, in a tenth of it."""
    cache = VerdictCache(lambda: 0.0, proof_bytes=PROOF_BYTES // 10)
    tracemalloc.start()
    try:
        for number in range(5_000):
            cache.put(*usual(number, Verdict.VERIFIED))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert len(cache) == 5_000
    assert taken <= PROOF_BYTES / 10
    assert 0.9 <= taken / cache.size <= 1.1


def test_refusals_take_no_more_memory_than_is_said() -> None:
    cache = VerdictCache(lambda: 0.0, refusal_bytes=REFUSAL_BYTES // 10)
    tracemalloc.start()
    try:
        for number in range(2_000):
            cache.put(*usual(number, Verdict.UNTRUSTED))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert taken <= REFUSAL_BYTES / 10 * 1.1
    assert 0.9 <= taken / cache.size <= 1.1


def usual(number: int, verdict: Verdict) -> tuple[Key, Judgement]:
    """What a judgement of an image of one team looks like, made of nothing that others share."""
    text = f"registry.example.com/team-{number % 1000:04}/service-{number:06}"
    digest = Digest.parse(f"sha256:{number:064x}")
    registry, _, repository = text.partition("/")
    signers = (Signer("release", "sha256:00", None, None),) if verdict is Verdict.VERIFIED else ()
    detail = f'signed by "release" {number % 10}' if signers else f"1 signature is there, but not by {number}"
    found = Judgement(verdict, Distrust.UNTRUSTED_SIGNER, detail, digest, signers, cached=False)
    return (registry, repository, digest, "rule", "trust"), found


@pytest.mark.parametrize(("until", "is_known"), [(None, True), (1000.5, True), (1000.0, False)])
def test_a_proof_is_good_until_the_time_that_it_names(until: float | None, *, is_known: bool) -> None:
    cache = VerdictCache(lambda: 0.0, lambda: 1000.0)
    cache.put(key(), replace(judgement(), valid_until=until))

    assert (cache.get(key()) is not None) == is_known
    assert len(cache) == is_known


def test_what_is_too_old_is_forgotten() -> None:
    now = 0.0
    cache = VerdictCache(lambda: now)
    cache.put(key(), judgement(Verdict.UNSIGNED))
    now = 30.0

    assert cache.get(key()) is None
    assert len(cache) == 0


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
        flights, work = Flights(), Work(2.0)
        found = await asyncio.gather(flights.join(key(), 9.0, work), later(1.0, lambda: flights.join(key(), 9.0, work)))
        assert len(flights) == 0
        return list(found), len(work.deadlines)

    found, count = in_virtual_time(scenario())

    assert {entry.verdict for entry in found} == {Verdict.VERIFIED}
    assert count == 1


def test_other_keys_are_other_work() -> None:
    async def scenario() -> int:
        flights, work = Flights(), Work(1.0)
        await asyncio.gather(*(flights.join(key(number), 9.0, work) for number in range(3)))
        return len(work.deadlines)

    assert in_virtual_time(scenario()) == 3


def test_a_waiter_that_is_cancelled_takes_nothing_from_the_others() -> None:
    async def scenario() -> tuple[Judgement, Work]:
        flights, work = Flights(), Work(2.0)
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
        flights, work = Flights(), Work(3600.0)
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
        flights, work = Flights(), Work(5.0)
        patient = asyncio.create_task(flights.join(key(), 9.0, work))
        await asyncio.sleep(0)
        hurried = await flights.join(key(), 2.0, work)
        left = asyncio.get_running_loop().time()
        return hurried, left, await patient

    hurried, left, patient = in_virtual_time(scenario())

    assert (hurried.verdict, hurried.reason, left) == (Verdict.UNVERIFIABLE, Obstacle.TIMEOUT, 2.0)
    assert patient.verdict is Verdict.VERIFIED


def test_the_first_ones_timeout_is_not_told_to_those_who_still_have_time() -> None:
    """They fly again, together: once, until the latest of their deadlines."""

    async def scenario() -> tuple[list[Judgement], Work]:
        flights, work = Flights(), Work(4.0)
        found = await asyncio.gather(*(flights.join(key(), deadline, work) for deadline in (3.0, 8.0, 9.0, 10.0)))
        return found, work

    found, work = in_virtual_time(scenario())

    assert [entry.verdict for entry in found] == [Verdict.UNVERIFIABLE, *[Verdict.VERIFIED] * 3]
    assert work.deadlines == [3.0, 10.0]


def test_a_thousand_waiters_at_a_hanging_registry_make_few_attempts() -> None:
    async def scenario() -> tuple[list[Judgement], Work]:
        flights, work = Flights(), Work(3600.0)
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
        found = await Flights().join(key(), 3.0, endless)
        return found, asyncio.get_running_loop().time()

    found, time = in_virtual_time(scenario())

    assert (found.reason, time) == ("timeout", 3.0)


def test_a_deadline_that_has_passed_is_a_timeout_at_once() -> None:
    async def scenario() -> Judgement:
        await asyncio.sleep(5.0)
        return await Flights().join(key(), 3.0, Work(1.0))

    assert in_virtual_time(scenario()).reason == "timeout"


def test_a_bug_reaches_everybody_who_waits() -> None:
    async def broken(_: float) -> Judgement:
        await asyncio.sleep(1.0)
        raise ZeroDivisionError

    async def scenario() -> list[object]:
        flights = Flights()
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
        flights, loop = Flights(), asyncio.get_running_loop()

        async def joined(deadline: float) -> float:
            wire, began = Wire(), loop.time()
            listen(wire)
            await flights.join(key(), deadline, asking)
            return wire.longest(began, deadline)

        first = asyncio.create_task(joined(8.0))
        await asyncio.sleep(3.0)
        return [await joined(8.0), await first]

    assert in_virtual_time(scenario()) == [5.0, 8.0]
