"""What is wrong with a template: for which example events it fails, and in which of its lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from router.cli.templates.shelf import Entry
from router.errors import TemplateError
from router.rendering.context import Purpose
from router.rendering.markup import Markup
from router.rendering.rehearsal import REHEARSALS


@dataclass(frozen=True, slots=True)
class TemplateFlaw:
    """What is wrong with a template."""

    purpose: Purpose
    line: int | None
    text: str
    examples: Sequence[str]
    """For which it shows; none where it shows for all."""


def flaws_of(template: Entry, has_time: Callable[[], bool] = lambda: True) -> Iterator[TemplateFlaw]:
    """What is wrong with it, for all that it is for, and as all who use it read texts; one may be there twice.

    `has_time` is asked before each example whether that, too, is to be tried.
    """
    for purpose in template.purposes:
        for markup in template.markups:
            yield from _flaws_of(template, purpose, markup, has_time)


def _flaws_of(
    template: Entry, purpose: Purpose, markup: Markup, has_time: Callable[[], bool]
) -> Iterator[TemplateFlaw]:
    rehearsal = REHEARSALS[purpose]
    try:
        mistakes = rehearsal.mistakes(template.parsed(markup, rehearsal.known), has_time)
    except TemplateError as error:
        mistakes = {str(error): ()}
    for told, examples in mistakes.items():
        line, text = placed(template.name, told)
        is_of_all = len(examples) == len(rehearsal.contexts)
        yield TemplateFlaw(purpose, line, text, () if is_of_all else tuple(examples))


def placed(name: str, told: str) -> tuple[int | None, str]:
    """The line of the template of this name that an error tells, if it does, and the rest of what it says."""
    beginning = re.match(rf"template {re.escape(name)}: (?:line ([0-9]+): )?", told)
    if beginning is None:
        return None, told
    return int(beginning[1]) if beginning[1] else None, told[beginning.end() :]
