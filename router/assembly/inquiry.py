"""Judges and decides for whoever asks at a terminal, as the gate does, and tells nobody.

Rules:
(1) The engine is the gate's: the same policy, verifier, turns, reading, findings and decision. Nothing is searched,
    judged or decided here.
(2) What is asked about an image is looked at anew, and an account is kept of it (`router.verification.account`). What
    is asked about objects shares its judgements, as requests do.
(3) Nothing is stored, delivered, counted or pinned. What `/mutate` would have pinned counts as pinned: nothing is
    `not_pinned` here.
(4) Trust is what the running product's is as far as this machine has it: trusted roots as they were kept last beside
    the outbox, and who was revoked is asked where a verifier wants it.
(5) Each image and each object has a time of its own, from when it is asked about.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from router import __version__
from router.admission import exempting
from router.admission.deciding import decided
from router.admission.decisions import Decisions
from router.admission.draft import Draft
from router.admission.gate import Gate
from router.admission.judging import ImageJudge
from router.admission.recording import EventRecorder
from router.admission.request_context import GateRules, RequestContext, Times
from router.admission.review import read_review
from router.assembly.observing import MetricsObserver
from router.assembly.running_judge import RunningJudge
from router.decision import Finding, Grant, Place
from router.errors import OutboxError, ReviewError
from router.events import Origin
from router.images import ImageReference
from router.outbound.closing import Closing
from router.outbox import NewEvent, Number
from router.policy import BreakGlass, Enforcement, Exemptions, Rule
from router.registry import RegistryClient
from router.routing import RouteSettings, RoutingTree
from router.settings.judging import AskingSettings, JudgedBy
from router.slices import OutOfTimeError
from router.telemetry import metrics
from router.telemetry.troubles import TroubleBook
from router.trust.refreshing import TRUST
from router.verification import Asker, Judgement, JudgementAccount, Turnstile, Verifier
from router.verification.lasting import KnownJudgement, Lasting
from router.verification.outside import Outside
from router.verification.revocations import AskedRevocations
from router.verification.settings import repositories_of
from router.verification.trust_roots import NO_ROOTS, Roots

_KEPT_BACK = 0.5
"""Seconds between the end of judging and of everything, which nothing here needs."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """What is known about an image, and what was looked at for that."""

    finding: Finding
    account: JudgementAccount


@dataclass(slots=True)
class _Accounting:
    """A verifier that looks at everything anew, and keeps the account."""

    verifier: Verifier
    account: JudgementAccount = field(default_factory=JudgementAccount)

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:
        self.account = JudgementAccount()  # whoever had to make room for others begins anew
        return await self.verifier.judge(image, rule, deadline, self.account)

    def remembered(
        self,
        _image: ImageReference,
        _rule: Rule,
        *,
        is_recent_enough: bool = False,  # noqa: ARG002 - nothing is
    ) -> KnownJudgement | None:
        return None

    def holds(self, _lasting: Lasting) -> bool:
        return False


class _Nowhere:
    """An intake that nothing is ever given to (3)."""

    async def append(self, event: NewEvent) -> Number:
        raise OutboxError(f"nothing is stored here: {event.id}")

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        raise OutboxError(f"nothing is stored here: {len(ids)}")


async def _nobody(_body: bytes, _id: str, _wanted: Sequence[str], _deadline: float) -> frozenset[str]:
    return frozenset()


async def _none(_namespace: str, _deadline: float) -> Sequence[Grant]:
    return ()


def _kept_roots(settings: AskingSettings) -> Roots:
    if settings.outbox is None or not repositories_of(settings.verifiers):
        return NO_ROOTS
    from router.trust import keeping  # noqa: PLC0415 - imports python-tuf, which only those need who have repositories

    return keeping.renewed_roots(settings.outbox.path.parent / TRUST, settings.verifiers)


class Inquiry(Closing):
    """Asks by one configuration; close it, or use it as a context."""

    def __init__(self, judged_by: JudgedBy, seconds: float) -> None:
        """Connect to nothing yet.

        Args:
            judged_by: The configuration.
            seconds: The time for each image and each object.

        Raises:
            ConfigurationError: A file was not read with the configuration.
        """
        settings = judged_by.settings
        counted = metrics.create(__version__)  # nobody reads it
        observing = MetricsObserver(counted, TroubleBook(counted.show_trouble).held_by("inquiry"))
        self._seconds = seconds
        self._observing = observing
        self._policy = judged_by.policy
        self._registry = RegistryClient(settings.registries)
        self._revocations = AskedRevocations(os.environ)
        outside = Outside(_kept_roots(settings), self._revocations.standing)
        self._verifier = Verifier(self._registry, settings.verifiers, outside=outside)
        self._turnstile = Turnstile()
        judging = ImageJudge(self._policy, self._verifier, self._verifier.wants, observing, self._turnstile)
        self._judging = judging
        self._exemptions = Exemptions(settings.exemptions, time.time)
        self.running = RunningJudge(judging, self._exemptions, self._registry, seconds)
        """Judges what runs."""
        rules = GateRules(
            origin=Origin(settings.cluster, ""),
            enforcement=Enforcement(settings.enforcement),
            exemptions=self._exemptions,
            break_glass=BreakGlass(settings.break_glass),
            grants=_none,
            controllers=(),
            judging=judging,
            decisions=Decisions(judging.holds),
            routes=RoutingTree(RouteSettings()),
            destinations=(),
            must_deliver=frozenset(),
            receipts=_nobody,
            outbox_required=False,
            pin_digests=False,
            csi_drivers=frozenset(settings.webhook.csi_image_drivers),
            longest=seconds,
            now=time.time,
        )
        self._gate = Gate(rules, EventRecorder(_Nowhere(), observing), observing)

    async def close(self) -> None:
        """Close every connection."""
        await self._registry.close()
        await self._revocations.close()

    async def image(self, text: str) -> Accounted:
        """What is known about an image, as it is written, by the rule that names it."""
        accounting = _Accounting(self._verifier)
        judging = ImageJudge(self._policy, accounting, self._verifier.wants, self._observing, self._turnstile)
        times, asker = self._times(), Asker("", is_dry_run=False)
        found = await judging.findings([Place("", "container", text, "")], times.came, times.deadline, asker)
        return Accounted(found.findings[0], accounting.account)

    async def digest(self, text: str, digest: str | None) -> Finding:
        """What is known about the digest that an image, as it is written, was seen to mean; of equal ones once.

        Where no digest was seen, it is what the image means now.
        """
        if digest is not None:
            return await self.running.finding(text, digest)
        times, place = self._times(), Place("", "container", text, "")
        asker = Asker("", is_dry_run=False)
        return (await self._judging.findings([place], times.came, times.deadline, asker)).findings[0]

    def exempt(self, finding: Finding, namespace: str) -> Finding:
        """The same in a namespace, where an exemption may let it in."""
        return exempting.exempt_in(self._exemptions, namespace, finding)

    async def review(self, body: bytes) -> tuple[RequestContext, Draft | None]:
        """What is asked in an AdmissionReview, and what would be decided; None where there is nothing to judge.

        Raises:
            ReviewError: It is none, or there was no time to read it.
        """
        times = self._times()
        try:
            request, objects = await self._gate.slices.run(read_review(memoryview(body)), times.deadline)
        except OutOfTimeError as error:
            raise ReviewError("there was no time to read it", cause="no_json") from error
        asked = await self._gate.read(self._gate.rules, request, objects, times)
        return asked, None if asked.workload.skip is not None else await decided(asked)

    def _times(self) -> Times:
        now = asyncio.get_running_loop().time()
        return Times(now, now + self._seconds, now + self._seconds + _KEPT_BACK)
