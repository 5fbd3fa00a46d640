"""From a checked configuration to the parts that run: what a gate decides by, and channels for the delivery."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from router.admission.asked import GateRules, ObtainReceipts
from router.admission.judging import Judging
from router.assembly.door import entrance
from router.assembly.observing import Observing
from router.delivery import Channel
from router.destinations.catalogue import AnyDestination, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.events import Origin
from router.pem import Pair
from router.policy import Enforcement
from router.registry import RegistryClient
from router.rendering.renderer import Renderer
from router.rendering.template import Template
from router.routing import RoutingTree
from router.server.entrance import Entrance
from router.settings.parts import GatePart, KeeperPart
from router.settings.tree import GateSettings
from router.telemetry.logs import logger
from router.verification import Turnstile, Verifier

log = logger()


@dataclass(frozen=True, slots=True)
class Deciding:
    """What a gate decides by, of one configuration."""

    settings: GateSettings
    registry: RegistryClient
    verifier: Verifier
    turnstile: Turnstile
    rules: GateRules
    entrance: Entrance


@dataclass(frozen=True, slots=True)
class Made:
    """A channel, and all that it was made of: what is made of the same need not be made again."""

    destination: AnyDestination
    egress: EgressSettings
    template: Template | None
    channel: Channel = field(compare=False)


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


def channels(part: KeeperPart, before: Mapping[str, Made]) -> dict[str, Made]:
    """A channel for each destination; those of `before` of which nothing has changed are the same.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    made = {}
    for destination in part.settings.destinations:
        name, template = destination.name, part.templates[destination.name]
        renderer = Renderer(template, kind=destination.kind, name=name)
        channel = Channel(open_destination(destination, part.settings.egress), partial(_rendered, renderer))
        one = Made(destination, part.settings.egress, template, channel)
        made[name] = before[name] if before.get(name) == one else one
    return made


def _rendered(renderer: Renderer, event_id: str, body: bytes) -> Document:
    rendered = renderer.render(body)
    if rendered.problem is not None:
        log.warning("template_failed", event_id=event_id, problem=rendered.problem)
    return Document(event_id, rendered.body, rendered.content_type, rendered.is_fallback)
