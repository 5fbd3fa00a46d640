"""A gate with a real policy, and a verifier and an outbox that are plain memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from router.admission.decisions import Decisions
from router.admission.gate import Gate
from router.admission.judging import ImageJudge
from router.admission.recording import EventRecorder
from router.admission.request_context import GateRules, RequestContext, Times
from router.decision import Grant
from router.errors import OutboxError
from router.events import CloudEvent, Origin, decode
from router.images import Digest, ImageReference
from router.outbox import NewEvent, Number
from router.policy import (
    BreakGlass,
    BreakGlassSettings,
    Enforcement,
    EnforcementSettings,
    Exemptions,
    ExemptionSettings,
    Policy,
    Rule,
    RuleSettings,
)
from router.reasons import Absence, EvidenceFlaw, Obstacle, Proof
from router.routing import IncidentSettings, RouteSettings, RoutingTree
from router.verdict import Mode, Override, RequestOutcome, Skip, Verdict
from router.verification import Judgement, Signer, Turnstile
from router.verification.lasting import KnownJudgement, Lasting
from tests.admission import recorded

DIGEST = Digest("sha256", "ab" * 32)
SIGNED = Judgement(
    Verdict.VERIFIED, Proof.SIGNED, "", DIGEST, (Signer("release", "sha256:00", None, None),), cached=False
)
UNSIGNED = Judgement(Verdict.UNSIGNED, Absence.NO_SIGNATURE, "nothing there", DIGEST, (), cached=False)
BROKEN = Judgement(Verdict.INVALID, EvidenceFlaw.DIGEST_MISMATCH, "about another digest", DIGEST, (), cached=False)
DOWN = Judgement(
    Verdict.UNVERIFIABLE, Obstacle.UNREACHABLE, "no connection", None, (), cached=False, is_registrys_doing=True
)


@dataclass
class MemoryVerifier:
    """Says about an image's name what it was told; an exception is raised; what it does not know hangs."""

    verdicts: dict[str, Judgement | Exception] = field(default_factory=dict)
    known: dict[str, Judgement] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    changes: int = 0
    """Count up what `known` says otherwise than before."""
    now: float = 0.0
    """The time of day."""

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:  # noqa: ARG002 - a double
        """A verdict."""
        self.asked.append(str(image))
        await asyncio.sleep(0)
        verdict = self.verdicts.get(image.repository)
        if verdict is None:
            await asyncio.Event().wait()
            raise AssertionError
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def remembered(self, image: ImageReference, rule: Rule, *, is_recent_enough: bool = False) -> KnownJudgement | None:  # noqa: ARG002 - a double
        """What is remembered, until `known` says something else."""
        judgement = self.known.get(image.repository)
        return None if judgement is None else KnownJudgement(judgement, Lasting(until=self.changes + 1.0))

    def holds(self, lasting: Lasting) -> bool:
        """Whether nothing has changed."""
        return lasting.until > self.changes and self.now < lasting.valid_until

    def wants(self, _rule: Rule) -> str:
        """In words."""
        return 'a signature by key "release"'


@dataclass
class MemoryOutbox:
    """Keeps events, each id once; fails, hangs or is late when told to."""

    stored: list[NewEvent] = field(default_factory=list)
    failure: Exception | None = None
    hangs: bool = False
    is_late: bool = False
    """Whether the first event is stored although its appender is told that it took too long."""
    heard: set[str] = field(default_factory=set)
    """Ids of events that somebody has heard of: they can't be withdrawn."""
    asked_for_grants: int = 0

    async def append(self, event: NewEvent) -> Number:
        """Keep it."""
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        if event.id not in {one.id for one in self.stored}:
            self.stored.append(event)
        if self.is_late:
            self.is_late = False
            raise OutboxError("the outbox has not answered for 1 s")
        return Number("replica-1", len(self.stored))

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back what nobody has heard of."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        gone = {one for one in ids if one not in self.heard}
        self.stored = [one for one in self.stored if one.id not in gone]
        return gone

    async def grants(self, namespace: str, _deadline: float) -> Sequence[Grant]:
        """What was granted there, in force or not."""
        self.asked_for_grants += 1
        corrected = {event.corrects for event in self.stored}
        return [
            grant
            for event in self.stored
            if (grant := event.grant) is not None and grant.namespace == namespace and event.id not in corrected
        ]

    @property
    def events(self) -> list[CloudEvent]:
        """What was stored."""
        return [decode(event.body) for event in self.stored]


@dataclass
class Facts:
    """An observer that keeps what it is told."""

    calls: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    found_out: list[Verdict] = field(default_factory=list)
    decisions: list[tuple[RequestOutcome, Mode, tuple[Verdict, ...]]] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    stored_events: int = 0
    unstored_events: int = 0

    def answered(self, endpoint: str, seconds: float) -> None:
        """Keep the endpoint."""
        assert seconds >= 0
        self.calls.append(endpoint)

    def turned_away(self, status: int) -> None:
        """Keep the status."""
        self.refusals.append(status)

    def skipped(self, reason: Skip) -> None:
        """Keep the reason."""
        self.skips.append(reason)

    def judged(self, verdict: Verdict, seconds: float) -> None:
        """Keep the verdict."""
        assert seconds >= 0
        self.found_out.append(verdict)

    def decided(self, outcome: RequestOutcome, mode: Mode, verdicts: Sequence[Verdict]) -> None:
        """Keep the decision."""
        self.decisions.append((outcome, mode, tuple(verdicts)))

    def let_in(self, override: Override) -> None:
        """Keep it."""
        self.overrides.append(override)

    def stored(self) -> None:
        """Count."""
        self.stored_events += 1

    def unstored(self) -> None:
        """Count."""
        self.unstored_events += 1


@dataclass
class Receiver:
    """Hears what is told before it is stored; gives receipts as it is told to."""

    receipts: frozenset[str] = frozenset()
    hangs: bool = False
    heard: list[tuple[CloudEvent, tuple[str, ...]]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    """Until when each was waited for."""

    async def obtain(self, body: bytes, _id: str, wanted: Sequence[str], deadline: float) -> frozenset[str]:
        """Those who give their receipt."""
        self.heard.append((decode(body), tuple(wanted)))
        self.deadlines.append(deadline)
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        return self.receipts


@dataclass
class World:
    """A gate and what is around it."""

    verifier: MemoryVerifier = field(default_factory=MemoryVerifier)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    facts: Facts = field(default_factory=Facts)
    receiver: Receiver = field(default_factory=Receiver)
    routes: RouteSettings = field(default_factory=lambda: RouteSettings(destinations=("siem",)))
    must_deliver: frozenset[str] = frozenset()
    outbox_required: bool = False
    pin_digests: bool = False
    exemptions: Sequence[Mapping[str, object]] = ()
    break_glass: Mapping[str, object] | None = None
    strict: Sequence[str] = ("strict",)
    rules: Sequence[Mapping[str, object]] = (
        {"pattern": "r.example/shop/*", "verifier": "keys"},
        {"pattern": "r.example/soft/*", "verifier": "keys", "on_unverifiable": "admit"},
        {"pattern": "r.example/watched/*", "verifier": "keys", "mode": "detect"},
    )

    def gate(self) -> Gate:
        """The gate with this world's rules."""
        return Gate(self.gate_rules(), EventRecorder(self.outbox, self.facts, now=lambda: 1767312000.0), self.facts)

    def gate_rules(self) -> GateRules:
        """What this world's configuration says."""
        enforcement = {
            "namespaces": dict.fromkeys((*self.strict, "lowered"), "enforce"),
            "never_block": ["kube-system"],
            "label": "gatecrier.dev/mode",
            "label_may_lower": ["lowered"],
        }
        policy = Policy([RuleSettings.model_validate(rule) for rule in self.rules])
        judging = ImageJudge(policy, self.verifier, self.verifier.wants, self.facts, Turnstile())
        return GateRules(
            origin=Origin("test", "gatecrier-0"),
            enforcement=Enforcement(EnforcementSettings.model_validate(enforcement)),
            exemptions=Exemptions(
                [ExemptionSettings.model_validate(one) for one in self.exemptions], lambda: self.verifier.now
            ),
            break_glass=BreakGlass(
                None if self.break_glass is None else BreakGlassSettings.model_validate(self.break_glass)
            ),
            grants=self.outbox.grants,
            controllers=IncidentSettings().controllers,
            judging=judging,
            decisions=Decisions(judging.holds),
            routes=RoutingTree(self.routes),
            destinations=("siem", "slack"),
            must_deliver=self.must_deliver,
            receipts=self.receiver.obtain,
            outbox_required=self.outbox_required,
            pin_digests=self.pin_digests,
            csi_drivers=recorded.CSI_DRIVERS,
            longest=8.0,
            now=lambda: self.verifier.now,
        )

    async def ask(self, review: Mapping[str, object], *, within: float = 5.0) -> dict[str, object]:
        """The response of `/validate`."""
        gate = self.gate()
        answer = await gate.validate(await asked(gate, json.dumps(review).encode(), within))
        await gate.close()
        response: dict[str, object] = json.loads(answer)["response"]
        return response

    async def mutate(self, review: Mapping[str, object]) -> dict[str, object]:
        """The response of `/mutate`."""
        gate = self.gate()
        answer = await gate.mutate(await asked(gate, json.dumps(review).encode(), 5.0))
        response: dict[str, object] = json.loads(answer)["response"]
        return response


async def asked(gate: Gate, body: bytes, within: float) -> RequestContext:
    """What the gate reads of a body."""
    came = asyncio.get_running_loop().time()
    deadline = came + within
    return await gate.read(gate.rules, *recorded.read(body), Times(came, deadline, deadline + 0.5))


def full_disk() -> OutboxError:
    """What the outbox raises when the disk is full."""
    return OutboxError("the disk is full")


def pod(*images: str, namespace: str = "strict", **request: object) -> dict[str, object]:
    """An AdmissionReview for the creation of a Pod with a container per image."""
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "name": "web",
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": {"metadata": {"name": "web"}, "spec": {"containers": containers}},
            "oldObject": None,
            "dryRun": False,
        }
        | request,
    }
