"""Rendering a template for example events, so that nobody learns of a mistake when the first alert needs it. Pure.

Rules:
(1) A template makes a document for every example: a name that is missing in some events (no owner, no signer, no image)
    is a mistake as one that is missing in all, since nobody can say which events will come. Whoever may miss something
    asks first, or says what else (`default`).
(2) Every mistake is told once, with the template's line and the names of the examples for which it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from router.errors import TemplateError
from router.rendering.context import CONTEXTS, Purpose
from router.rendering.examples import BY_NAME
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
        if mistakes := self.mistakes(template):
            raise TemplateError("; ".join(f"{text} ({self._which(names)})" for text, names in mistakes.items()))

    def mistakes(self, template: Template, has_time: Callable[[], bool] = lambda: True) -> Mapping[str, Sequence[str]]:
        """What the template fails with, each with the names of the examples that show it; nothing where it is sound.

        `has_time` is asked before each example whether that, too, is to be tried.
        """
        mistakes: dict[str, list[str]] = {}
        for name, context in self.contexts.items():
            if not has_time():
                break
            try:
                template.check(template.text(context), context, keys=True)
            except TemplateError as error:
                mistakes.setdefault(str(error), []).append(name)
        return mistakes

    def _which(self, names: Sequence[str]) -> str:
        if len(names) == len(self.contexts):
            return "for every example event"
        return f"for the example event{'s' if len(names) > 1 else ''} {', '.join(names)}"


REHEARSALS: Mapping[Purpose, Rehearsal] = {
    purpose: Rehearsal({name: CONTEXTS[purpose](event, _DESTINATION) for name, event in examples.items()})
    for purpose, examples in BY_NAME.items()
}
"""By what a template is for."""
OF_DECISIONS, OF_INCIDENTS, OF_NOTICES = (REHEARSALS[of] for of in ("decision", "incident", "notice"))
