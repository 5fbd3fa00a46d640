from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from router.registry.wire import question
from router.verification.line import Asker
from router.verification.room import RoomLimits
from router.verification.turns import Turns
from router.verification.turnstile import Answered, CutOff, Failed, Turnstile, Unasked
from tests.simulators.virtual_time import VirtualLoop, virtually


class Work:
    """Takes as long as the question says; notes what happens."""

    def __init__(self) -> None:
        self.now = self.most = self.begun = 0

    async def __call__(self, seconds: float) -> float:
        """Be on the wire for so long."""
        self.now += 1
        self.begun += 1
        self.most = max(self.most, self.now)
        try:
            with question() as asked:
                asked.begin()
                await asyncio.sleep(seconds)
        finally:
            self.now -= 1
        return seconds


def asker(namespace: str = "shop", *, is_dry_run: bool = False) -> Asker:
    return Asker(namespace, is_dry_run)


def test_every_question_is_answered_in_order() -> None:
    async def story() -> list[object]:
        return [*await Turnstile().ask(asker(), [("r", float(n % 5)) for n in range(50)], Work(), 100.0)]

    answers = virtually(story())

    assert [answer.answer for answer in answers if isinstance(answer, Answered)] == [float(n % 5) for n in range(50)]


def test_no_question_is_answered_at_once() -> None:
    async def story() -> list[object]:
        return [*await Turnstile().ask(asker(), [], Work(), 100.0)]

    assert virtually(story()) == []


def test_what_was_not_asked_at_the_deadline_is_told_apart_from_what_was() -> None:
    """The first is our doing, the second may be the registry's."""

    async def story() -> tuple[list[object], float]:
        work = Work()
        answers = await Turnstile().ask(asker(), [("r", 3600.0)] * 20, work, 8.0)
        await asyncio.sleep(0)
        assert work.now == 0
        return [*answers], asyncio.get_running_loop().time()

    answers, time = virtually(story())

    assert time == 8.0
    assert [type(answer) for answer in answers] == [CutOff] * 16 + [Unasked] * 4
    first = answers[0]
    assert isinstance(first, CutOff)
    assert first.wire.longest(0.0, 8.0) == 8.0


def test_a_question_that_fails_fails_alone() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(1.0)
        return 1 // number

    async def story() -> list[object]:
        return [*await Turnstile().ask(asker(), [("r", 0), ("r", 1)], work, 8.0)]

    failed, answered = virtually(story())

    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ZeroDivisionError)
    assert isinstance(answered, Answered)


def test_whoever_goes_leaves_nothing_behind() -> None:
    async def story() -> tuple[bool, int, int]:
        turnstile, work = Turnstile(), Work()
        asking = asyncio.create_task(turnstile.ask(asker(), [("r", 3600.0)] * 1000, work, 8000.0))
        await asyncio.sleep(1.0)
        begun = work.begun
        asking.cancel()
        await asyncio.wait({asking})
        await asyncio.sleep(1.0)
        return turnstile.turns.is_empty, begun, work.now

    assert virtually(story()) == (True, 16, 0)


def test_a_thousand_tags_take_nobody_elses_time() -> None:
    """One registry that takes 150 ms, and somebody who asks it for a thousand images again and again, as dry runs."""

    async def story() -> list[float]:
        turnstile, work = Turnstile(), Work()
        loop = asyncio.get_running_loop()

        async def flood() -> None:
            while True:
                much = [("r", 0.15)] * 1000
                await turnstile.ask(asker("watched", is_dry_run=True), much, work, loop.time() + 8.0)

        floods = [asyncio.create_task(flood()) for _ in range(8)]
        took = []
        for _ in range(20):
            await asyncio.sleep(0.5)
            began = loop.time()
            (answer,) = await turnstile.ask(asker("strict"), [("r", 0.45)], work, began + 8.0)
            assert isinstance(answer, Answered)
            took.append(loop.time() - began)
        for task in floods:
            task.cancel()
        return took

    assert max(virtually(story())) < 0.45 + 0.15 + 0.01


@pytest.mark.no_cover
@pytest.mark.parametrize("namespaces", [1, 50, 400])
def test_silent_hosts_in_any_number_of_namespaces_leave_healthy_registries_their_turns(namespaces: int) -> None:
    """From one Pod, from many of one namespace, from one each of many: a healthy registry is asked in time."""

    async def story() -> list[float]:
        turnstile, work = Turnstile(), Work()
        loop = asyncio.get_running_loop()
        await turnstile.ask(asker("strict"), [("healthy", 0.2)], work, 8.0)
        silent = []
        for number in range(400):
            hosts = [(f"10.0.0.1:{number * 1000 + port}", 3600.0) for port in range(100)]
            who = asker(f"ns{number % namespaces}")
            silent.append(asyncio.create_task(turnstile.ask(who, hosts, work, loop.time() + 30.0)))
        await asyncio.sleep(0.1)
        took = []
        for _ in range(5):
            began = loop.time()
            (answer,) = await turnstile.ask(asker("strict"), [("healthy", 0.2)], work, began + 8.0)
            assert isinstance(answer, Answered)
            took.append(loop.time() - began)
        for task in silent:
            task.cancel()
        await asyncio.wait(silent)
        assert turnstile.turns.is_empty
        return took

    assert max(virtually(story())) < 3.0


def test_a_slow_registry_is_not_kept_from_answering_by_its_own_crowd() -> None:
    """Three seconds an answer, and more namespaces than turns: whoever has a turn keeps it to the end."""

    async def story() -> int:
        turnstile, work = Turnstile(), Work()
        asking = [turnstile.ask(asker(f"ns{number}"), [("slow", 3.0)], work, 20.0) for number in range(150)]
        answers = await asyncio.gather(*asking)
        return sum(isinstance(answer, Answered) for (answer,) in answers)

    assert virtually(story()) == 150


def test_what_had_to_make_room_waits_again_and_is_asked_in_the_end() -> None:
    async def story() -> tuple[list[object], int]:
        turnstile, work = Turnstile(Turns(RoomLimits(per_request=4, per_registry=4, overall=4))), Work()
        large = asyncio.create_task(turnstile.ask(asker("large"), [("r", 3.0)] * 4, work, 100.0))
        await asyncio.sleep(0.5)
        small = await turnstile.ask(asker("small"), [("r", 1.0)] * 2, work, 100.0)
        return [*await large, *small], work.begun

    answers, begun = virtually(story())

    assert all(isinstance(answer, Answered) for answer in answers)
    assert begun == 8


@pytest.mark.no_cover
def test_what_waits_costs_little() -> None:
    """Forty requests of a thousand images: each waiting question is a value of less than two KiB, and no task."""

    async def story() -> tuple[int, int]:
        turnstile, work = Turnstile(), Work()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        asking = [
            asyncio.create_task(
                turnstile.ask(
                    asker(f"ns{number}"), [(f"r{number}-{image}", 3600.0) for image in range(1000)], work, 8.0
                )
            )
            for number in range(40)
        ]
        await asyncio.sleep(0.9)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        tasks = len(asyncio.all_tasks())
        await asyncio.gather(*asking)
        assert turnstile.turns.is_empty
        return (after - before) // 40_000, tasks

    each, tasks = virtually(story())

    assert each < 2048
    assert tasks <= 40 + 96 + 1


def test_beyond_what_may_wait_somebody_hears_so_at_once() -> None:
    async def story() -> tuple[list[object], float]:
        turnstile = Turnstile(Turns(RoomLimits(per_request=1, waiting=2)))
        answers = await turnstile.ask(asker(), [("r", 1.0)] * 5, Work(), 8.0)
        return [*answers], asyncio.get_running_loop().time()

    answers, _ = virtually(story())

    assert sum(isinstance(answer, Unasked) for answer in answers) == 3


def test_time_in_which_the_loop_was_held_up_is_told() -> None:
    """The answer may have lain there unread: whoever keeps us busy must not make a registry look silent."""

    async def story() -> list[object]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        asking = asyncio.create_task(Turnstile().ask(asker(), [("r", 3600.0)], Work(), 8.0))
        await asyncio.sleep(1.1)
        loop.jump(5.0)  # as a callback does that comes to no end
        return [*await asking]

    (answer,) = virtually(story())

    assert isinstance(answer, CutOff)
    assert 4.7 < answer.held_up <= 5.0


def test_a_question_that_was_cut_off_is_no_sign_of_life_of_its_registry() -> None:
    """Otherwise requests of one second each keep a silent host among those that answer."""

    async def story() -> tuple[list[str], list[str]]:
        turnstile = Turnstile()

        async def until_the_deadline(seconds: float) -> None:
            await asyncio.sleep(seconds)

        await turnstile.ask(asker(), [("silent", 3600.0), ("late", 1.0)], until_the_deadline, 1.0)
        await asyncio.sleep(0.1)
        before = list(turnstile.turns.silence.heard)
        await turnstile.ask(asker(), [("quick", 0.1)], until_the_deadline, 9.0)
        return before, list(turnstile.turns.silence.heard)

    assert virtually(story()) == ([], ["quick"])
