"""From the gate's part of a configuration to what it decides by."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Self

from router.admission.decisions import LIMIT as DECISION_BYTES
from router.admission.decisions import Decisions
from router.admission.judging import ImageJudge
from router.admission.request_context import GateRules, ObtainGrants, ObtainReceipts
from router.assembly.door import entrance
from router.assembly.observing import MetricsObserver
from router.events import Origin
from router.pem import KeyPair
from router.policy import BreakGlass, Enforcement, Exemptions
from router.registry import RegistryClient
from router.routing import RoutingTree
from router.server.entrance import Entrance
from router.settings.parts import GatePart
from router.settings.tree import GateSettings
from router.verification import Turnstile, Verifier
from router.verification.outside import Outside
from router.verification.revocations import AskedRevocations
from router.verification.room import RoomLimits
from router.verification.turns import Turns
from router.verification.verdict_cache import PROOF_BYTES, REFUSAL_BYTES, VerdictCache


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives a configuration: proofs, which say themselves for how long they are good, and turns."""

    turnstile: Turnstile
    remembered: VerdictCache
    revocations: AskedRevocations
    """Answers whether certificates were revoked, which say themselves for how long they are good."""
    decision_bytes: int
    """What remembered decisions may take."""

    @classmethod
    def shared_by(cls, gates: int) -> Self:
        """One of so many, which together hold no more than one alone would."""
        return cls(
            Turnstile(Turns(RoomLimits.shared_by(gates))),
            VerdictCache(time.monotonic, proof_bytes=PROOF_BYTES // gates, refusal_bytes=REFUSAL_BYTES // gates),
            AskedRevocations(os.environ),
            DECISION_BYTES // gates,
        )


@dataclass(frozen=True, slots=True)
class Deciding:
    """What a gate decides by, of one configuration."""

    settings: GateSettings
    registry: RegistryClient
    rules: GateRules
    entrance: Entrance


def deciding(  # noqa: PLR0913 - a gate has these independent neighbours
    part: GatePart,
    receipts: ObtainReceipts,
    grants: ObtainGrants,
    replica: str,
    observing: MetricsObserver,
    memory: Memory,
    *,
    pair: KeyPair | None,
) -> Deciding:
    """What a gate decides by; touches no file.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    settings = part.settings
    registry = RegistryClient(settings.registries, on_request=observing.asked_registry)
    every, outside = settings.webhook.resolve_tags_every, Outside(part.roots, memory.revocations.standing)
    verifier = Verifier(
        registry,
        settings.verifiers,
        time.monotonic,
        cache=memory.remembered,
        outside=outside,
        resolve_every=every,
    )
    judging = ImageJudge(part.policy, verifier, verifier.wants, observing, memory.turnstile)
    rules = GateRules(
        origin=Origin(settings.cluster, replica),
        enforcement=Enforcement(settings.enforcement),
        exemptions=Exemptions(settings.exemptions, time.time),
        break_glass=BreakGlass(settings.break_glass),
        grants=grants,
        controllers=settings.incidents.controllers,
        judging=judging,
        decisions=Decisions(judging.holds, memory.decision_bytes),
        routes=RoutingTree(settings.routes, settings.incidents),
        destinations=tuple(receiver.name for receiver in settings.destinations),
        must_deliver=frozenset(receiver.name for receiver in settings.destinations if receiver.must_deliver),
        receipts=receipts,
        outbox_required=settings.outbox.required,
        pin_digests=settings.webhook.pin_digests,
        csi_drivers=frozenset(settings.webhook.csi_image_drivers),
        longest=settings.webhook.deadline,
        now=time.time,
    )
    return Deciding(settings, registry, rules, entrance(settings.webhook, pair))
