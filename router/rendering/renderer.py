"""From an event to what one destination is sent; a template's failure never loses an alert. Pure.

Without a template, or with one that is `{{ cloudevent }}` alone, the event itself is the payload, byte for byte. Where
a template fails, or a receiver finds what was rendered too large, a built-in minimal payload goes out instead
(`minimal`); the caller counts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from router.rendering.context import context_of
from router.rendering.markup import Markup
from router.rendering.minimal import Because, minimal
from router.rendering.template import Template


@dataclass(frozen=True, slots=True)
class Rendered:
    """A payload."""

    body: bytes
    content_type: str
    problem: str | None = None
    """Why this is the minimal payload, where it is."""

    @property
    def is_fallback(self) -> bool:
        """Whether this is the minimal payload."""
        return self.problem is not None


class Renderer:
    """Renders events for one destination."""

    def __init__(self, template: Template | None, *, kind: str, name: str) -> None:
        is_event_itself = template is None or (template.is_event_itself and template.markup is Markup.NONE)
        self._template = None if is_event_itself else template
        self._destination = {"name": name, "kind": kind}

    def render(self, body: bytes) -> Rendered:
        """The payload of an encoded event; raises `orjson.JSONDecodeError` where the body is none."""
        if self._template is None:
            return Rendered(body, "application/cloudevents+json")
        cloudevent = orjson.loads(body)
        try:
            return Rendered(self._template.render(context_of(cloudevent, self._destination)), "application/json")
        except Exception as error:  # noqa: BLE001 - also an older release's event that lacks a field must be told
            return self._minimal(cloudevent, Because.TEMPLATE_FAILED, str(error) or type(error).__name__)

    def minimal(self, body: bytes) -> Rendered:
        """The minimal payload of an encoded event, for a receiver that finds every other too large."""
        return self._minimal(orjson.loads(body), Because.TOO_LARGE, "too large for the receiver")

    def _minimal(self, cloudevent: dict[str, object], because: Because, problem: str) -> Rendered:
        payload, content_type = minimal(cloudevent, self._destination["kind"], because)
        return Rendered(payload, content_type, problem)
