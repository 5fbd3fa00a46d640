"""From the keeper's part of a configuration to the channels that it delivers by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from router.delivery import Channel
from router.delivery.standing import DestinationStanding
from router.destinations.catalogue import DestinationSettings, kind_of, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.over_http import ReplyListener
from router.destinations.secrets import places_of
from router.events import type_of
from router.rendering.library import Templates
from router.rendering.renderer import Renderer
from router.settings.parts import KeeperPart
from router.telemetry.logs import logger

log = logger()


@dataclass(frozen=True, slots=True)
class MadeChannel:
    """A channel, and all that it was made of: what is made of the same need not be made again."""

    destination: DestinationSettings
    egress: EgressSettings
    templates: Templates
    channel: Channel = field(compare=False)


def channels(
    part: KeeperPart, before: Mapping[str, MadeChannel], fell_back: Callable[[str], None]
) -> dict[str, MadeChannel]:
    """A channel for each destination; those of `before` of which nothing has changed are the same.

    `fell_back` is told of a destination that gets a minimal payload because it found another too large.

    Raises:
        ConfigurationError: A file was not read with the configuration.
    """
    made = {}
    for destination in part.settings.destinations:
        name, templates, egress = destination.name, part.templates[destination.name], part.settings.egress
        channel = channel_of(destination, templates, egress, partial(fell_back, name))
        one = MadeChannel(destination, egress, templates, channel)
        made[name] = before[name] if before.get(name) == one else one
    return made


def channel_of(
    destination: DestinationSettings,
    templates: Templates,
    egress: EgressSettings,
    fell_back: Callable[[], None],
    heard: ReplyListener | None = None,
) -> Channel:
    """The channel of one destination; `fell_back` and errors as above, `heard` is told what comes back over HTTP."""
    kind = kind_of(destination)
    renderer = Renderer(
        templates, kind=kind.name, name=destination.name, minimal=kind.minimal, secrets=places_of(destination)
    )
    return Channel(
        open_destination(destination, egress, heard),
        partial(_rendered, renderer, fell_back),
        DestinationStanding(destination.rate),
    )


def _rendered(renderer: Renderer, fell_back: Callable[[], None], event_id: str, body: bytes, template: str) -> Document:
    rendered = renderer.render(body, template)
    if rendered.problem is not None:
        log.warning("template_failed", event_id=event_id, problem=rendered.problem)
    minimal = None if rendered.is_fallback else partial(_minimal, renderer, fell_back, event_id, body)
    return Document(
        event_id,
        rendered.body,
        rendered.content_type,
        rendered.value,
        rendered.is_fallback,
        minimal,
        type_of(body),
    )


def _minimal(renderer: Renderer, fell_back: Callable[[], None], event_id: str, body: bytes) -> Document:
    fell_back()
    rendered = renderer.minimal(body)
    return Document(event_id, rendered.body, rendered.content_type, rendered.value, rendered.is_fallback)
