from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from router.admission.judging import ImageJudge
from router.decision import Finding, Place
from router.images import ImageReference
from router.policy import Policy, Rule, RuleSettings
from router.reasons import Obstacle
from router.registry.wire import question
from router.verdict import Verdict
from router.verification import Asker, Judgement, Turnstile
from router.verification.lasting import KnownJudgement, Lasting
from tests.admission.world import SIGNED, UNSIGNED, Facts
from tests.simulators.virtual_time import VirtualLoop, virtually

TIMED_OUT = Judgement(Verdict.UNVERIFIABLE, Obstacle.TIMEOUT, "no answer", None, (), cached=False)
POLICY = Policy([RuleSettings.model_validate({"pattern": "**", "verifier": "keys", "on_unverifiable": "admit"})])
REJECTING = Policy([RuleSettings.model_validate({"pattern": "**", "verifier": "keys"})])


@dataclass
class Slow:
    """Waits by itself for so long, then is on the wire for so long, by repository; then it says so."""

    times: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    otherwise: tuple[float, float] = (0.0, 0.15)
    known: Judgement | None = None
    most: int = 0
    now: int = 0

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:  # noqa: ARG002 - a double
        """Take that long."""
        before, asked_for = self.times.get(image.repository, self.otherwise)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(before)
            with question() as asked:
                asked.begin()
                await asyncio.sleep(asked_for)
        finally:
            self.now -= 1
        return UNSIGNED

    def remembered(self, image: ImageReference, rule: Rule, *, is_recent_enough: bool = False) -> KnownJudgement | None:  # noqa: ARG002 - a double
        """What is known of all."""
        return None if self.known is None else KnownJudgement(self.known)

    def holds(self, lasting: Lasting) -> bool:  # noqa: ARG002 - a double
        """Nothing ends."""
        return True

    def wants(self, _rule: Rule) -> str:
        """In words."""
        return ""


def places(*images: str) -> list[Place]:
    return [
        Place(f"c{number}", "container", image, f"/spec/containers/{number}") for number, image in enumerate(images)
    ]


def judged(
    verifier: Slow, images: Sequence[str], within: float = 8.0, policy: Policy = POLICY, *, came: float = 0.0
) -> list[Finding]:
    async def story() -> list[Finding]:
        judging = ImageJudge(policy, verifier, verifier.wants, Facts(), Turnstile())
        found, _ = await judging.findings(places(*images), came, within, Asker("shop", is_dry_run=False))
        await asyncio.sleep(0.1)
        assert verifier.now == 0
        return found

    return virtually(story())


def test_a_timeout_is_the_registrys_doing_where_it_was_asked_for_half_of_the_time() -> None:
    long, short = judged(Slow({"a": (3.9, 100.0), "b": (4.1, 100.0)}), ["r.example/a", "r.example/b"])

    assert (long.reason, long.judgement.is_registrys_doing, long.is_failing) == ("timeout", True, False)
    assert (short.reason, short.judgement.is_registrys_doing, short.is_failing) == ("timeout", False, True)
    assert "4.1 of 8.0 s" in long.judgement.detail
    assert "3.9 of 8.0 s" in short.judgement.detail


def test_what_never_got_its_turn_is_overloaded_and_never_tolerated() -> None:
    """Otherwise whoever fills the line lets unsigned images pass it."""
    found = judged(Slow(otherwise=(0.0, 100.0)), [f"r.example/a{number}" for number in range(20)])

    assert [finding.reason for finding in found] == ["timeout"] * 16 + ["overloaded"] * 4
    assert [finding.is_failing for finding in found] == [False] * 16 + [True] * 4


def test_no_unsigned_image_passes_behind_many_others() -> None:
    verifier = Slow()
    found = judged(verifier, [f"r.example/a{number}" for number in range(1000)])

    assert {finding.reason for finding in found} == {"no_signature", "timeout", "overloaded"}
    assert all(finding.is_failing for finding in found)
    assert verifier.most == 16


def test_a_crowd_of_one_namespace_does_not_delay_the_image_of_another() -> None:
    async def story() -> tuple[list[Finding], float]:
        verifier, loop = Slow(), asyncio.get_running_loop()
        judging = ImageJudge(POLICY, verifier, verifier.wants, Facts(), Turnstile())
        crowd = [
            asyncio.create_task(
                judging.findings(
                    places(*(f"r.example/n{number}-{index}" for index in range(900))),
                    0.0,
                    8.0,
                    Asker("watched", is_dry_run=True),
                )
            )
            for number in range(4)
        ]
        await asyncio.sleep(1.0)
        found, _ = await judging.findings(places("r.example/evil"), 1.0, 9.0, Asker("strict", is_dry_run=False))
        took = loop.time() - 1.0
        for task in crowd:
            task.cancel()
        return found, took

    (finding,), took = virtually(story())

    assert finding.verdict is Verdict.UNSIGNED
    assert took < 0.5


def test_a_deadline_that_has_passed_makes_nothing_tolerable() -> None:
    (finding,) = judged(Slow(otherwise=(0.0, 100.0)), ["r.example/a"], within=0.0)

    assert (finding.judgement.is_registrys_doing, finding.is_failing) == (False, True)


def test_what_waited_before_it_was_judged_is_not_tolerated_for_a_moment_of_silence() -> None:
    """Whoever fills the room before an unsigned image leaves it a tenth of a second, and no registry is so quick."""
    (finding,) = judged(Slow(otherwise=(0.0, 0.15)), ["r.example/evil"], within=0.1, came=-7.9)

    assert (finding.reason, finding.judgement.is_registrys_doing, finding.is_failing) == ("timeout", False, True)
    assert "0.1 of 8.0 s" in finding.judgement.detail


def test_a_busy_loop_makes_no_registry_silent() -> None:
    """An exchange takes a dozen steps of the loop: where each is held up for a while, it is slow through us."""

    async def story() -> Finding:
        verifier, loop = Slow(otherwise=(0.0, 100.0)), asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        judging = ImageJudge(POLICY, verifier, verifier.wants, Facts(), Turnstile())
        asking = asyncio.create_task(
            judging.findings(places("r.example/evil"), 0.0, 0.8, Asker("strict", is_dry_run=False))
        )
        while not asking.done():
            await asyncio.sleep(0)
            loop.jump(0.05)
        return (await asking).findings[0]

    finding = virtually(story())

    assert (finding.reason, finding.is_failing) == ("timeout", True)


def test_without_tolerance_a_long_timeout_fails_too() -> None:
    (finding,) = judged(Slow(otherwise=(0.0, 100.0)), ["r.example/a"], policy=REJECTING)

    assert (finding.judgement.is_registrys_doing, finding.is_failing) == (True, True)


async def test_a_thousand_known_images_leave_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is short: here every image takes a virtual two milliseconds of it."""
    now, turns = 0.0, 0

    def perf_counter() -> float:
        nonlocal now
        now += 0.001
        return now

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(time, "perf_counter", perf_counter)
    verifier = Slow(known=SIGNED)
    judging = ImageJudge(POLICY, verifier, verifier.wants, Facts(), Turnstile())
    beside = asyncio.create_task(others())
    deadline = asyncio.get_running_loop().time() + 60
    images = [f"r.example/a{number}" for number in range(1000)]
    found, _ = await judging.findings(places(*images), 0.0, deadline, Asker("shop", is_dry_run=False))
    beside.cancel()

    assert len(found) == 1000
    assert turns >= 2 * 1000 * 0.001 / 0.01


def test_two_texts_of_one_reference_are_asked_once() -> None:
    verifier = Slow()
    found = judged(verifier, ["nginx", "docker.io/library/nginx:latest", "nginx"])

    assert len(found) == 3
    assert verifier.most == 1
