"""From the gate's part of a configuration to what it decides by."""

from __future__ import annotations

import time
from dataclasses import dataclass

from router.admission.asked import GateRules, ObtainReceipts
from router.admission.judging import Judging
from router.assembly.door import entrance
from router.assembly.observing import Observing
from router.events import Origin
from router.pem import Pair
from router.policy import Enforcement
from router.registry import RegistryClient
from router.routing import RoutingTree
from router.server.entrance import Entrance
from router.settings.parts import GatePart
from router.settings.tree import GateSettings
from router.verification import Turnstile, Verifier


@dataclass(frozen=True, slots=True)
class Deciding:
    """What a gate decides by, of one configuration."""

    settings: GateSettings
    registry: RegistryClient
    verifier: Verifier
    turnstile: Turnstile
    rules: GateRules
    entrance: Entrance


def deciding(
    part: GatePart,
    receipts: ObtainReceipts,
    replica: str,
    observing: Observing,
    *,
    trial: Pair | None,
    before: Deciding | None,
) -> Deciding:
    """What a gate decides by; touches no file.

    What `before` has and what still holds is kept: proofs and turns.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    settings = part.settings
    registry = RegistryClient(settings.registries, on_request=observing.asked_registry)
    remembered = None if before is None else before.verifier.remembered
    turnstile = Turnstile() if before is None else before.turnstile
    verifier = Verifier(registry, settings.verifiers, time.monotonic, remembered=remembered)
    judging = Judging(part.policy, verifier, verifier.wants, observing, turnstile)
    rules = GateRules(
        origin=Origin(settings.cluster, replica),
        enforcement=Enforcement(settings.enforcement),
        judging=judging,
        routes=RoutingTree(settings.routes),
        destinations=tuple(receiver.name for receiver in settings.destinations),
        must_deliver=frozenset(receiver.name for receiver in settings.destinations if receiver.must_deliver),
        receipts=receipts,
        outbox_required=settings.outbox.required,
        pin_digests=settings.webhook.pin_digests,
        csi_drivers=frozenset(settings.webhook.csi_image_drivers),
        longest=settings.webhook.deadline,
    )
    return Deciding(settings, registry, verifier, turnstile, rules, entrance(settings.webhook, trial))
