"""From an event to what one destination is sent; a template's failure never loses an alert. Pure.

Without a template the event itself is the payload, byte for byte. Where a template fails, a built-in minimal payload
goes out in the shape of the service, marked as such; the caller counts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from router.errors import TemplateError
from router.rendering.context import alert_message, context_of
from router.rendering.markup import Markup, cut_chars, escape
from router.rendering.template import Template

MESSAGE_LIMIT = 2000
"""Characters of a minimal payload's text."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A payload."""

    body: bytes
    content_type: str
    problem: str | None = None
    """Why the template failed, where this is the minimal payload."""

    @property
    def is_fallback(self) -> bool:
        """Whether the template failed."""
        return self.problem is not None


class Renderer:
    """Renders events for one destination."""

    def __init__(self, template: Template | None, *, kind: str, name: str) -> None:
        self._template = template
        self._destination = {"name": name, "kind": kind}

    def render(self, body: bytes) -> Rendered:
        """The payload of an encoded event."""
        if self._template is None:
            return Rendered(body, "application/cloudevents+json")
        cloudevent = orjson.loads(body)
        try:
            return Rendered(self._template.render(context_of(cloudevent, self._destination)), "application/json")
        except TemplateError as error:
            return Rendered(_minimal(cloudevent, self._destination["kind"]), "application/json", str(error))


def _minimal(cloudevent: dict[str, Any], kind: str) -> bytes:
    data = cloudevent["data"]
    message = cut_chars(alert_message(data["decision"]), MESSAGE_LIMIT)
    match kind:
        case "slack":
            return orjson.dumps({"text": str(escape(f"{message} (template failed)", Markup.SLACK))})
        case "sysdig":
            event = {
                "timestamp": cloudevent["time"],
                "rule": "Check image signature",
                "priority": "warning",
                "output": message,
                "source": "gatecrier",
                "tags": ["image-signature", "template-failed"],
                "output_fields": {"event.id": cloudevent["id"], "k8s.ns.name": data["request"]["namespace"]},
            }
            return orjson.dumps({"events": [event], "labels": {"message": message}})
        case _:
            return orjson.dumps({**cloudevent, "gatecrierfallback": "true"})
