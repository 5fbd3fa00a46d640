"""From the places of images to findings: which rule, which verdict, all at once and equal images once.

Rules:
(1) A text that is no reference is denied(invalid_reference): no rule can name it.
(2) An image that no rule matches is denied(no_rule); nothing is asked of any registry.
(3) What the verifier already knows is taken at once, in slices that hold the loop for at most ten milliseconds. The
    rest waits for its turn (`router.verification.turns`), each distinct reference once.
(4) At the deadline what was being asked is unverifiable(timeout), and it is the registry's doing only if one question
    was on the wire for at least half of the time allowed, the times aside in which this loop was held up. Time is
    allowed from the request's first byte on: whoever makes it wait before it is judged leaves no less to be asked for.
    What waited for its turn is unverifiable(overloaded). Its work ends (the verifier decides whether others still wait
    for it).
(5) A verifier that crashes makes its own image unverifiable(internal_error), logged with its traceback, and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, assert_never

from router.admission.observer import AdmissionObserver
from router.decision import Finding, Place
from router.errors import InvalidReferenceError
from router.images import Digest, ImageReference, parse_reference
from router.policy import Policy, Rule
from router.reasons import Denial
from router.registry.wire import ImageWire
from router.telemetry.logs import logger
from router.verification import Asker, Judgement, Turnstile
from router.verification.judgement import denied, failed, overloaded, timed_out, unasked
from router.verification.lasting import FOR_EVER, KnownJudgement, Lasting
from router.verification.turnstile import Answered, CutOff, Failed, TurnstileAnswer, Unasked

log = logger()

SLICE_SECONDS = 0.005
"""How long a request's images hold the loop at a stretch, and at most by the time of one image longer."""


@dataclass(frozen=True, slots=True)
class ImageJudgement:
    """What was found out about one image text, wherever it stands."""

    reference: str | None
    rule: Rule | None
    judgement: Judgement
    milliseconds: float = 0.0
    lasting: Lasting | None = FOR_EVER
    """For how long the same will be said without asking anybody; None where somebody was asked."""


class ObjectFindings(NamedTuple):
    """What was found out about the images of one object."""

    findings: list[Finding]
    """One for each place, in order."""
    lasting: Lasting | None
    """For how long the same places will have the same findings; None where somebody was asked."""


class Knowing(Protocol):
    """What is asked for verdicts: a verifier, or one that keeps an account for whoever asks at a terminal."""

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:
        """What is known about the image under this rule; asks its registry."""

    def remembered(self, image: ImageReference, rule: Rule, *, is_recent_enough: bool = False) -> KnownJudgement | None:
        """The same where it can be had without asking; whether what a tag meant a moment ago will do."""

    def holds(self, lasting: Lasting) -> bool:
        """Whether what was known still holds."""


class Pause:
    """Lets the loop do other things before it has been held for too long."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + SLICE_SECONDS

    async def if_due(self) -> None:
        """Pause where the slice is over."""
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = time.perf_counter() + SLICE_SECONDS


class ImageJudge:
    """Judges images by a policy and its verifier."""

    def __init__(
        self,
        policy: Policy,
        verifier: Knowing,
        wanted: Callable[[Rule], str],
        observer: AdmissionObserver,
        turnstile: Turnstile,
    ) -> None:
        """Judge by these rules; whoever shares a turnstile shares its turns, and a reload passes it on."""
        self._policy = policy
        self._verifier = verifier
        self._wanted = wanted
        self._observer = observer
        self._turnstile = turnstile

    async def findings(
        self, places: Sequence[Place], came: float, deadline: float, asker: Asker, *, is_recent_enough: bool = False
    ) -> ObjectFindings:
        """One finding per place, in order.

        Args:
            places: Where the images stand.
            came: When the request came, in the event loop's time.
            deadline: When all must be found, in the event loop's time.
            asker: The request.
            is_recent_enough: Whether what a tag meant a moment ago will do: nothing is refused or written.
        """
        judged: dict[str, ImageJudgement] = {}
        waiting: dict[str, tuple[ImageReference, Rule]] = {}
        pause = Pause()
        for place in places:
            if place.image not in judged and place.image not in waiting:
                known = self._at_once(place.image, is_recent_enough=is_recent_enough)
                if isinstance(known, ImageJudgement):
                    judged[place.image] = known
                else:
                    waiting[place.image] = known
                await pause.if_due()
        lasting = None if waiting else _shortest(judged.values())
        if waiting:
            judged |= await self._judged(waiting, came, deadline, asker)
        found = []
        for place in places:
            found.append(self._finding(place, judged[place.image]))
            await pause.if_due()
        return ObjectFindings(found, lasting)

    def holds(self, lasting: Lasting) -> bool:
        """Whether findings that lasted so long still do."""
        return self._verifier.holds(lasting)

    async def known(self, places: Sequence[Place]) -> list[Finding]:
        """One finding per place, in order, with what can be said without asking anybody."""
        judged: dict[str, ImageJudgement] = {}
        found = []
        pause = Pause()
        for place in places:
            if place.image not in judged:
                known = self._at_once(place.image)
                judged[place.image] = (
                    known if isinstance(known, ImageJudgement) else ImageJudgement(str(known[0]), known[1], unasked())
                )
            found.append(self._finding(place, judged[place.image]))
            await pause.if_due()
        return found

    async def of_digest(self, place: Place, digest: Digest, came: float, deadline: float, asker: Asker) -> Finding:
        """What is found about the digest that an image, as it is written, was seen to mean.

        Its rule is that of the text, and nobody is asked what a tag means today.
        """
        known = self._at_once(place.image)
        if isinstance(known, ImageJudgement):
            return self._finding(place, known)
        reference, rule = known
        judged = await self._judged({place.image: (replace(reference, digest=digest), rule)}, came, deadline, asker)
        return self._finding(place, replace(judged[place.image], reference=str(reference)))

    def speaks_for_pinned(self, image: str, digest: str) -> bool:
        """Whether the rule of this image, written with a tag, is also the rule of the same name with the digest."""
        tagged = parse_reference(image)
        pinned = replace(tagged, tag=None, digest=Digest.parse(digest))
        return self._policy.match(tagged) is self._policy.match(pinned)

    def _at_once(self, image: str, *, is_recent_enough: bool = False) -> ImageJudgement | tuple[ImageReference, Rule]:
        try:
            reference = parse_reference(image)
        except InvalidReferenceError as error:
            return ImageJudgement(None, None, denied(Denial.INVALID_REFERENCE, str(error)))
        rule = self._policy.match(reference)
        if rule is None:
            return ImageJudgement(
                str(reference), None, denied(Denial.NO_RULE, "no rule of the policy names this image")
            )
        known = self._verifier.remembered(reference, rule, is_recent_enough=is_recent_enough)
        if known is None:
            return reference, rule
        return ImageJudgement(str(reference), rule, known.judgement, lasting=known.lasting)

    async def _judged(
        self, waiting: Mapping[str, tuple[ImageReference, Rule]], came: float, deadline: float, asker: Asker
    ) -> dict[str, ImageJudgement]:
        async def asked(question: tuple[ImageReference, Rule]) -> tuple[Judgement, float]:
            judgement = await self._verifier.judge(*question, deadline)
            return judgement, loop.time()

        loop = asyncio.get_running_loop()
        began = loop.time()
        distinct = list(dict.fromkeys(waiting.values()))  # two texts may mean one reference
        questions = [(question[0].registry.lower(), question) for question in distinct]
        answers = await self._turnstile.ask(asker, questions, asked, deadline)
        ended = loop.time()
        results = {
            question: _result(answer, _Times(came, began, deadline, ended))
            for question, answer in zip(distinct, answers, strict=True)
        }
        found = {}
        for image, question in waiting.items():
            judgement, seconds = results[question]
            self._observer.judged(judgement.verdict, seconds)
            found[image] = ImageJudgement(str(question[0]), question[1], judgement, seconds * 1000, None)
        return found

    def _finding(self, place: Place, judged: ImageJudgement) -> Finding:
        wanted = "" if judged.rule is None else self._wanted(judged.rule)
        return Finding(place, judged.reference, judged.rule, judged.judgement, wanted, judged.milliseconds)


@dataclass(frozen=True, slots=True)
class _Times:
    """When a request came, began to wait for turns, was to be done, and was; in the time of the loop."""

    came: float
    began: float
    deadline: float
    ended: float

    def timed_out(self, judgement: Judgement | None, since: float, wire: ImageWire, held_up: float) -> Judgement:
        asked = wire.longest(since, min(self.ended, self.deadline)) - held_up  # since its turn, as is what held us up
        return timed_out(judgement, max(0.0, asked), self.deadline - self.came)


def _result(answer: TurnstileAnswer[tuple[Judgement, float]], times: _Times) -> tuple[Judgement, float]:
    """The judgement, and the seconds that it took from its turn on."""
    match answer:
        case Answered((judgement, done), since, wire, held_up):
            told = times.timed_out(judgement, since, wire, held_up) if judgement.is_timeout else judgement
            return told, done - since
        case CutOff(since, wire, held_up):
            return times.timed_out(None, since, wire, held_up), times.ended - since
        case Failed(error, _):
            log.error("verifier_failed", exc_info=error)
            return failed(error), 0.0
        case Unasked(had_a_turn):
            return overloaded(had_a_turn=had_a_turn), times.ended - times.began
        case _:
            assert_never(answer)


def _shortest(judged: Iterable[ImageJudgement]) -> Lasting | None:
    lasting = FOR_EVER
    for one in judged:
        if one.lasting is None:
            return None
        if one.lasting is not FOR_EVER:
            lasting = lasting.both(one.lasting)
    return lasting
