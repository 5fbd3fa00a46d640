"""From an event to what one destination is sent; a template's failure never loses an alert. Pure.

A notice (of Gatecrier itself) is rendered by the template that its kind has for notices, never by an operator's, which
is for decisions and would fail. A message about an incident is rendered by the template that its route names, else by
the destination's for incidents. Without a template, or with one that is `{{ cloudevent }}` alone, the event itself is
the payload, byte for byte. Where a template fails, or a receiver finds what was rendered too large, the destination's
own fallback goes out instead, and where there is none, or it fails too, a built-in minimal payload (`minimal`). The
caller counts both.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import orjson

from router.events import CONTENT_TYPE, NOTICE_TYPE
from router.rendering.context import CONTEXTS, Purpose, purpose_of
from router.rendering.library import Templates
from router.rendering.markup import Markup
from router.rendering.minimal import Because, Minimal, minimal_event
from router.rendering.secrets import SECRETS
from router.rendering.template import Template


class Rendered(msgspec.Struct, frozen=True):
    """A payload."""

    body: bytes
    content_type: str
    value: object = None
    """What the body says, where it was parsed to be checked; None where it was not."""
    problem: str | None = None
    """Why this is a fallback or the minimal payload, where it is."""

    @property
    def is_fallback(self) -> bool:
        """Whether this is the minimal payload."""
        return self.problem is not None


class Renderer:
    """Renders events for one destination.

    Args:
        templates: What its payloads are made by.
        kind: What operators call its kind.
        name: What they call it.
        minimal: Makes the minimal payload of its kind.
        secrets: The places of its secrets by their names (`secret_places`); None: all are masked, for nothing is sent.
    """

    def __init__(
        self,
        templates: Templates,
        *,
        kind: str,
        name: str,
        minimal: Minimal = minimal_event,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._of_decisions = _needed(templates.of_decisions)
        self._of_notices = _needed(templates.of_notices)
        self._fallback = templates.fallback
        self._of_incidents = _needed(templates.of_incidents)
        self._by_name = templates.by_name
        self._destination = {"name": name, "kind": kind}
        self._minimal = minimal
        self._secrets = secrets

    def render(self, body: bytes, name: str = "") -> Rendered:
        """The payload of an encoded event; raises `orjson.JSONDecodeError` where the body is none.

        `name` is of a template that a route names; one that is gone by now is passed over.
        """
        if self._of_decisions is self._of_notices is self._of_incidents is None and not name:
            return Rendered(body, CONTENT_TYPE)
        cloudevent = orjson.loads(body)
        purpose = purpose_of(cloudevent)
        match purpose:
            case "notice":
                template = self._of_notices
            case "incident":
                template = self._by_name.get(name, self._of_incidents)
            case "decision":
                template = self._of_decisions
        if template is None:
            return Rendered(body, CONTENT_TYPE)
        try:
            made = template.render(self._context(purpose, cloudevent))
        except Exception as error:  # noqa: BLE001 - an older release's event may lack a field: its alert would wait in vain
            return self._small(cloudevent, Because.TEMPLATE_FAILED, str(error) or type(error).__name__)
        return Rendered(made.body, "application/json", made.value)

    def minimal(self, body: bytes) -> Rendered:
        """The smallest payload of an encoded event, for a receiver that finds every other too large."""
        return self._small(orjson.loads(body), Because.TOO_LARGE, "too large for the receiver")

    def _context(self, purpose: Purpose, cloudevent: Mapping[str, object]) -> Mapping[str, object]:
        return {**CONTEXTS[purpose](cloudevent, self._destination), SECRETS: self._secrets}

    def _small(self, cloudevent: dict[str, object], because: Because, problem: str) -> Rendered:
        """The destination's own fallback, or else the minimal payload of its kind."""
        if self._fallback is not None and cloudevent.get("type") != NOTICE_TYPE:
            try:
                made = self._fallback.render(self._context("decision", cloudevent))
                return Rendered(made.body, "application/json", made.value, problem)
            except Exception as error:  # noqa: BLE001 - the same: the smallest payload goes out then
                problem = f"{problem}; and its fallback: {error}"
        payload, content_type = self._minimal(cloudevent, because)
        return Rendered(payload, content_type, problem=problem)


def _needed(template: Template | None) -> Template | None:
    """None where it would make the event itself."""
    is_event_itself = template is not None and template.is_event_itself and template.markup is Markup.NONE
    return None if is_event_itself else template
