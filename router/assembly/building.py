"""From a checked configuration to the parts that run: rules for the gate, channels for the delivery."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from router.admission.asked import GateRules, ObtainReceipts
from router.admission.judging import Judging
from router.assembly.observing import Observing
from router.delivery import Channel, Receipts
from router.destinations.catalogue import AnyDestination, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.events import Origin
from router.policy import Enforcement
from router.registry import RegistryClient
from router.rendering.renderer import Renderer
from router.rendering.template import Template
from router.routing import RoutingTree
from router.settings.loading import Loaded
from router.settings.tree import GateSettings, KeeperSettings, Settings
from router.telemetry.logs import logger
from router.verification import Turnstile, Verifier

log = logger()


@dataclass(frozen=True, slots=True)
class Made:
    """A channel, and all that it was made of: what is made of the same need not be made again."""

    destination: AnyDestination
    egress: EgressSettings
    template: Template | None
    channel: Channel = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one configuration makes."""

    settings: Settings
    registry: RegistryClient
    verifier: Verifier
    turnstile: Turnstile
    rules: GateRules
    made: Mapping[str, Made]
    """By name of the destination."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """By name of the destination."""
        return {name: made.channel for name, made in self.made.items()}


def build(loaded: Loaded, replica: str, observing: Observing, before: Parts | None) -> Parts:
    """The parts of this configuration; touches no file.

    What `before` has and what still holds is kept: proofs, turns, and channels of which nothing has changed.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    settings = loaded.settings
    registry = RegistryClient(settings.registries, on_request=observing.asked_registry)
    remembered = None if before is None else before.verifier.remembered
    turnstile = Turnstile() if before is None else before.turnstile
    verifier = Verifier(registry, settings.verifiers, time.monotonic, remembered=remembered)
    judging = Judging(loaded.policy, verifier, verifier.wants, observing, turnstile)
    made = channels(settings, loaded.templates, {} if before is None else before.made)
    receipts = Receipts({name: one.channel for name, one in made.items()})
    rules = gate_rules(settings, judging, receipts.obtain, replica)
    return Parts(settings, registry, verifier, turnstile, rules, made)


def gate_rules(settings: GateSettings, judging: Judging, receipts: ObtainReceipts, replica: str) -> GateRules:
    """What the gate goes by."""
    return GateRules(
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


def channels(
    settings: KeeperSettings, templates: Mapping[str, Template | None], before: Mapping[str, Made]
) -> dict[str, Made]:
    """A channel for each destination; those of `before` of which nothing has changed are the same.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    made = {}
    for destination in settings.destinations:
        name, template = destination.name, templates[destination.name]
        renderer = Renderer(template, kind=destination.kind, name=name)
        channel = Channel(open_destination(destination, settings.egress), partial(_rendered, renderer))
        one = Made(destination, settings.egress, template, channel)
        made[name] = before[name] if before.get(name) == one else one
    return made


def _rendered(renderer: Renderer, event_id: str, body: bytes) -> Document:
    rendered = renderer.render(body)
    if rendered.problem is not None:
        log.warning("template_failed", event_id=event_id, problem=rendered.problem)
    return Document(event_id, rendered.body, rendered.content_type, rendered.is_fallback)
