"""Rendering a template for example events, so that nobody learns of a mistake when the first alert needs it. Pure.

Rules:
(1) A document that is no JSON, or has equal keys, for any example is a mistake of the skeleton: refused.
(2) What a template asks for may be missing in some events (no owner, no signer), since routes decide which of them
    it gets. It is refused where no example has it.
"""

from __future__ import annotations

from router.errors import TemplateError
from router.rendering.context import context_of
from router.rendering.examples import EXAMPLES, WHOLE
from router.rendering.template import Template

_DESTINATION = {"name": "example", "kind": "webhook"}

KNOWN = context_of(WHOLE, _DESTINATION)
"""Every name that a template can have, and every field."""


def rehearse(template: Template) -> None:
    """Render the template for every example; raises TemplateError where it could not be used."""
    mistakes = []
    for event in EXAMPLES:
        try:
            text = template.text(context_of(event, _DESTINATION))
        except TemplateError as error:
            mistakes.append(error)
        else:
            template.check(text, keys=True)
    if len(mistakes) == len(EXAMPLES):
        raise mistakes[0]
