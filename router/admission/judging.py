"""From the places of images to findings: which rule, which verdict, all at once and equal images once.

Rules:
(1) A text that is no reference is denied(invalid_reference): no rule can name it.
(2) An image that no rule matches is denied(no_rule); nothing is asked of any registry.
(3) What the verifier already knows is taken at once. The rest is judged concurrently, each distinct reference once.
(4) At the deadline what has no verdict is unverifiable(timeout); its work ends (the verifier decides whether others
    still wait for it).
(5) A verifier that crashes makes its own image unverifiable(internal_error), logged with its traceback, and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from router.admission.workloads import Place
from router.decision import Finding
from router.errors import InvalidReferenceError
from router.images import Digest, ImageReference, parse_reference
from router.policy import Policy, Rule
from router.telemetry.logs import logger
from router.verdict import Mode, Verdict
from router.verification import Judgement

log = logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out about one image text, wherever it stands."""

    reference: str | None
    rule: Rule | None
    judgement: Judgement
    milliseconds: float


class Knowing(Protocol):
    """The part of the verifier that is needed here."""

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:
        """What is known about the image under this rule; asks its registry."""

    def knows(self, image: ImageReference, rule: Rule) -> Judgement | None:
        """The same where it can be had without asking."""


class Judging:
    """Judges images by a policy and its verifier."""

    def __init__(
        self,
        policy: Policy,
        verifier: Knowing,
        wanted: Callable[[Rule], str],
        on_judged: Callable[[Verdict, float], None] = lambda _verdict, _seconds: None,
    ) -> None:
        self._policy = policy
        self._verifier = verifier
        self._wanted = wanted
        self._on_judged = on_judged

    async def findings(self, places: Sequence[Place], deadline: float) -> list[Finding]:
        """One finding per place, in order; `deadline` is in the event loop's time."""
        judged: dict[str, Judged] = {}
        waiting: dict[str, tuple[ImageReference, Rule]] = {}
        for place in places:
            if place.image not in judged and place.image not in waiting:
                known = self._at_once(place.image)
                if isinstance(known, Judged):
                    judged[place.image] = known
                else:
                    waiting[place.image] = known
        if waiting:
            judged |= await self._judged(waiting, deadline)
        return [self._finding(place, judged[place.image]) for place in places]

    def known(self, places: Sequence[Place]) -> list[Finding]:
        """One finding per place, in order, with what can be said without asking anybody."""
        found = {place.image: self._at_once(place.image) for place in places}
        unasked = _unverifiable("unanswered", "nobody waited for a verdict")
        return [
            self._finding(place, known if isinstance(known, Judged) else Judged(str(known[0]), known[1], unasked, 0.0))
            for place in places
            for known in (found[place.image],)
        ]

    def speaks_for_pinned(self, image: str, digest: str) -> bool:
        """Whether the rule of this image, written with a tag, is also the rule of the same name with the digest."""
        tagged = parse_reference(image)
        pinned = replace(tagged, tag=None, digest=Digest.parse(digest))
        return self._policy.match(tagged) is self._policy.match(pinned)

    def _at_once(self, image: str) -> Judged | tuple[ImageReference, Rule]:
        try:
            reference = parse_reference(image)
        except InvalidReferenceError as error:
            return Judged(None, None, _denied("invalid_reference", str(error)), 0.0)
        rule = self._policy.match(reference)
        if rule is None:
            return Judged(str(reference), None, _denied("no_rule", "no rule of the policy names this image"), 0.0)
        known = self._verifier.knows(reference, rule)
        return (reference, rule) if known is None else Judged(str(reference), rule, known, 0.0)

    async def _judged(self, waiting: Mapping[str, tuple[ImageReference, Rule]], deadline: float) -> dict[str, Judged]:
        tasks: dict[tuple[ImageReference, Rule], asyncio.Task[tuple[Judgement, float]]] = {}
        for asked in waiting.values():
            if asked not in tasks:  # two texts may mean one reference
                tasks[asked] = asyncio.ensure_future(self._timed(*asked, deadline))
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.wait(tasks.values(), timeout=max(0.0, deadline - began))
        finally:
            for task in tasks.values():
                task.cancel()
        found = {}
        for image, asked in waiting.items():
            judgement, seconds = _result(tasks[asked], loop.time() - began)
            self._on_judged(judgement.verdict, seconds)
            found[image] = Judged(str(asked[0]), asked[1], judgement, seconds * 1000)
        return found

    async def _timed(self, reference: ImageReference, rule: Rule, deadline: float) -> tuple[Judgement, float]:
        began = time.perf_counter()
        judgement = await self._verifier.judge(reference, rule, deadline)
        return judgement, time.perf_counter() - began

    def _finding(self, place: Place, judged: Judged) -> Finding:
        judgement, rule = judged.judgement, judged.rule
        return Finding(
            container=place.container,
            container_kind=place.container_kind,
            image=place.image,
            reference=judged.reference,
            digest=None if judgement.digest is None else str(judgement.digest),
            rule=None if rule is None else rule.pattern,
            rule_mode=Mode.ENFORCE if rule is None else rule.mode,
            on_unverifiable="reject" if rule is None else rule.on_unverifiable,
            verifier=None if rule is None else rule.verifier,
            verdict=judgement.verdict,
            reason=judgement.reason,
            detail=judgement.detail,
            signers=judgement.signers,
            cached=judgement.cached,
            milliseconds=judged.milliseconds,
            wanted="" if rule is None else self._wanted(rule),
            is_new=place.is_new,
        )


def _result(task: asyncio.Task[tuple[Judgement, float]], waited: float) -> tuple[Judgement, float]:
    if not task.done() or task.cancelled():
        return _unverifiable("timeout", "no verdict within the deadline of the request"), waited
    if (error := task.exception()) is not None:
        log.error("verifier_failed", exc_info=error)
        return _unverifiable("internal_error", f"the verifier failed ({type(error).__name__})"), waited
    return task.result()


def _denied(reason: str, detail: str) -> Judgement:
    return Judgement(Verdict.DENIED, reason, detail, None, (), cached=False)


def _unverifiable(reason: str, detail: str) -> Judgement:
    return Judgement(Verdict.UNVERIFIABLE, reason, detail, None, (), cached=False)
