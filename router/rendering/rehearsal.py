"""Rendering a template for example events, so that nobody learns of a mistake when the first alert needs it. Pure.

Rules:
(1) A template makes a document for every example: a name that is missing in some events (no owner, no signer, no image)
    is a mistake as one that is missing in all, since nobody can say which events will come. Whoever may miss something
    asks first, or says what else (`default`).
(2) Every mistake is told once, with the template's line and the names of the examples for which it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.errors import TemplateError
from router.rendering.context import context_of, incident_context, notice_context
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.template import Template

_DESTINATION = {"name": "example", "kind": "webhook"}


@dataclass(frozen=True, eq=False, slots=True)
class Rehearsal:
    """What a template is rendered for before it is used."""

    contexts: Mapping[str, Mapping[str, object]]
    """Of the examples, by their names; the first has every name that a template can have, and every field."""

    @property
    def known(self) -> Mapping[str, object]:
        """Every name that a template can have, and every field."""
        return next(iter(self.contexts.values()))

    def rehearse(self, template: Template) -> None:
        """Render the template for every example; raises TemplateError with every mistake that shows."""
        mistakes: dict[str, list[str]] = {}
        for name, context in self.contexts.items():
            try:
                template.check(template.text(context), context, keys=True)
            except TemplateError as error:
                mistakes.setdefault(str(error), []).append(name)
        if mistakes:
            raise TemplateError("; ".join(f"{text} ({self._which(names)})" for text, names in mistakes.items()))

    def _which(self, names: list[str]) -> str:
        if len(names) == len(self.contexts):
            return "for every example event"
        return f"for the example event{'s' if len(names) > 1 else ''} {', '.join(names)}"


OF_DECISIONS = Rehearsal({name: context_of(event, _DESTINATION) for name, event in EXAMPLES.items()})
OF_NOTICES = Rehearsal({f"{event['subject']} {event['id']}": notice_context(event, _DESTINATION) for event in NOTICES})
OF_INCIDENTS = Rehearsal(
    {f"{message['type']} {message['id']}": incident_context(message, _DESTINATION) for message in INCIDENTS}
)
