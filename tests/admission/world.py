"""A gate with a real policy, and a verifier and an outbox that are plain memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.admission.asked import Asked, GateRules
from router.admission.gate import Gate
from router.admission.judging import Judging
from router.admission.telling import Telling
from router.errors import OutboxError
from router.events import CloudEvent, Origin, decode
from router.images import Digest, ImageReference
from router.outbox import NewEvent
from router.policy import Enforcement, EnforcementSettings, Policy, Rule, RuleSettings
from router.routing import RouteSettings, RoutingTree
from router.telemetry.metrics import Metrics, create
from router.verdict import Verdict
from router.verification import Judgement, Signer
from tests.admission import recorded

DIGEST = Digest("sha256", "ab" * 32)
SIGNED = Judgement(Verdict.VERIFIED, "signed", "", DIGEST, (Signer("release", "sha256:00", None, None),), cached=False)
UNSIGNED = Judgement(Verdict.UNSIGNED, "no_signature", "nothing there", DIGEST, (), cached=False)
BROKEN = Judgement(Verdict.INVALID, "digest_mismatch", "about another digest", DIGEST, (), cached=False)
DOWN = Judgement(Verdict.UNVERIFIABLE, "unreachable", "no connection", None, (), cached=False, is_registrys_doing=True)


@dataclass
class MemoryVerifier:
    """Says about an image's name what it was told; an exception is raised; what it does not know hangs."""

    verdicts: dict[str, Judgement | Exception] = field(default_factory=dict)
    known: dict[str, Judgement] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

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

    def knows(self, image: ImageReference, rule: Rule) -> Judgement | None:  # noqa: ARG002 - a double
        """What is remembered."""
        return self.known.get(image.repository)

    def wants(self, _rule: Rule) -> str:
        """In words."""
        return 'a signature by key "release"'


@dataclass
class MemoryOutbox:
    """Keeps events; fails when told to."""

    stored: list[NewEvent] = field(default_factory=list)
    failure: Exception | None = None
    hangs: bool = False

    async def append(self, event: NewEvent) -> int:
        """Keep it."""
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        self.stored.append(event)
        return len(self.stored)

    @property
    def events(self) -> list[CloudEvent]:
        """What was stored."""
        return [decode(event.body) for event in self.stored]


@dataclass
class World:
    """A gate and what is around it."""

    verifier: MemoryVerifier = field(default_factory=MemoryVerifier)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    metrics: Metrics = field(default_factory=lambda: create("0"))
    must_deliver: frozenset[str] = frozenset()
    outbox_required: bool = False
    pin_digests: bool = False
    receipts: frozenset[str] = frozenset()
    rules: Sequence[Mapping[str, object]] = (
        {"pattern": "r.example/shop/*", "verifier": "keys"},
        {"pattern": "r.example/soft/*", "verifier": "keys", "on_unverifiable": "admit"},
        {"pattern": "r.example/watched/*", "verifier": "keys", "mode": "detect"},
    )

    def gate(self) -> Gate:
        """The gate with this world's rules."""
        enforcement = {"namespaces": {"strict": "enforce"}, "never_block": ["kube-system"]}
        policy = Policy([RuleSettings.model_validate(rule) for rule in self.rules])

        async def obtain(_body: bytes, _id: str, _wanted: Sequence[str], _deadline: float) -> frozenset[str]:
            await asyncio.sleep(0)
            return self.receipts

        rules = GateRules(
            origin=Origin("test", "gatecrier-0"),
            enforcement=Enforcement(EnforcementSettings.model_validate(enforcement)),
            judging=Judging(policy, self.verifier, self.verifier.wants),
            routes=RoutingTree(RouteSettings(destinations=("siem",))),
            destinations=("siem", "slack"),
            must_deliver=self.must_deliver,
            outbox_required=self.outbox_required,
            pin_digests=self.pin_digests,
            csi_drivers=recorded.CSI_DRIVERS,
        )
        return Gate(rules, Telling(self.outbox, obtain, self.metrics, now=lambda: 1767312000.0), self.metrics)

    async def ask(self, review: Mapping[str, object], *, within: float = 5.0) -> dict[str, object]:
        """The response of `/validate`."""
        gate = self.gate()
        answer = await gate.validate(await asked(gate, json.dumps(review).encode(), within))
        response: dict[str, object] = json.loads(answer)["response"]
        return response

    async def mutate(self, review: Mapping[str, object]) -> dict[str, object]:
        """The response of `/mutate`."""
        gate = self.gate()
        answer = await gate.mutate(await asked(gate, json.dumps(review).encode(), 5.0))
        response: dict[str, object] = json.loads(answer)["response"]
        return response


async def asked(gate: Gate, body: bytes, within: float) -> Asked:
    """What the gate reads of a body."""
    came = asyncio.get_running_loop().time()
    deadline = came + within
    return await gate.read(*recorded.read(body), came, deadline, deadline + 0.5)


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
