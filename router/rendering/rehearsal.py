"""Rendering a template for example events, so that nobody learns of a mistake when the first alert needs it. Pure.

Rules:
(1) A document that is no JSON, or has equal keys, for any example is a mistake of the skeleton: refused.
(2) What a template asks for may be missing in some events (no owner, no signer), since routes decide which of them
    it gets. It is refused where no example has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.errors import TemplateError
from router.rendering.context import context_of, incident_context, notice_context
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.template import Template

_DESTINATION = {"name": "example", "kind": "webhook"}


@dataclass(frozen=True, eq=False, slots=True)
class Rehearsal:
    """What a template is rendered for before it is used."""

    contexts: Sequence[Mapping[str, object]]
    """Of the examples; the first has every name that a template can have, and every field."""

    @property
    def known(self) -> Mapping[str, object]:
        """Every name that a template can have, and every field."""
        return self.contexts[0]

    def rehearse(self, template: Template) -> None:
        """Render the template for every example; raises TemplateError where it could not be used."""
        mistakes = []
        for context in self.contexts:
            try:
                text = template.text(context)
            except TemplateError as error:
                mistakes.append(error)
            else:
                template.check(text, keys=True)
        if len(mistakes) == len(self.contexts):
            raise mistakes[0]


OF_DECISIONS = Rehearsal([context_of(event, _DESTINATION) for event in EXAMPLES])
OF_INCIDENTS = Rehearsal([incident_context(message, _DESTINATION) for message in INCIDENTS])
OF_NOTICES = Rehearsal([notice_context(event, _DESTINATION) for event in NOTICES])
