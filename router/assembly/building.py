"""From settings to the parts that run: rules for the gate, channels for the delivery."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from router.admission.asked import GateRules
from router.admission.judging import Judging
from router.assembly.observing import Observing
from router.delivery import Channel, Receipts
from router.destinations.catalogue import default_template, markup_of, open_destination
from router.destinations.document import Document
from router.events import Origin
from router.policy import Enforcement, Policy
from router.registry import RegistryClient
from router.rendering.library import Library
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.routing import RoutingTree
from router.settings.tree import Settings
from router.telemetry.logs import logger
from router.verification import Turnstile, Verifier

log = logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What one configuration makes."""

    settings: Settings
    registry: RegistryClient
    verifier: Verifier
    turnstile: Turnstile
    rules: GateRules
    channels: Mapping[str, Channel]


def build(settings: Settings, replica: str, observing: Observing, before: Parts | None) -> Parts:
    """The parts of this configuration; proofs that `before` remembered and that still hold are kept, as are turns."""
    registry = RegistryClient(settings.registries, on_request=observing.asked_registry)
    remembered = None if before is None else before.verifier.remembered
    turnstile = Turnstile() if before is None else before.turnstile
    verifier = Verifier(registry, settings.verifiers, time.monotonic, remembered=remembered)
    channels = _channels(settings)
    rules = GateRules(
        origin=Origin(settings.cluster, replica),
        enforcement=Enforcement(settings.enforcement),
        judging=Judging(Policy(settings.policy), verifier, verifier.wants, observing, turnstile),
        routes=RoutingTree(settings.routes),
        destinations=tuple(destination.name for destination in settings.destinations),
        must_deliver=frozenset(
            destination.name for destination in settings.destinations if getattr(destination, "must_deliver", False)
        ),
        receipts=Receipts(channels).obtain,
        outbox_required=settings.outbox.required,
        pin_digests=settings.webhook.pin_digests,
        csi_drivers=frozenset(settings.webhook.csi_image_drivers),
        longest=settings.webhook.deadline,
    )
    return Parts(settings, registry, verifier, turnstile, rules, channels)


def _channels(settings: Settings) -> dict[str, Channel]:
    directory = settings.templates.directory
    library = Library([*([directory] if directory is not None else []), shipped_folder()])
    channels = {}
    for destination in settings.destinations:
        template = destination.template or default_template(destination)
        renderer = Renderer(
            None if template is None else library.template(template, markup_of(destination)),
            kind=destination.kind,
            name=destination.name,
        )
        channels[destination.name] = Channel(
            open_destination(destination, settings.egress), partial(_rendered, renderer)
        )
    return channels


def _rendered(renderer: Renderer, event_id: str, body: bytes) -> Document:
    rendered = renderer.render(body)
    if rendered.problem is not None:
        log.warning("template_failed", event_id=event_id, problem=rendered.problem)
    return Document(event_id, rendered.body, rendered.content_type, rendered.is_fallback)
