"""What rendering may cost: steps, counted where work is done, so that every template ends. Pure: no clock.

Prices: a turn of a loop costs one step and one more for every `NODES` parts of its body; a filter, an operator, a
comparison or a slice costs one for every `TEXT` characters and for every `ITEMS` parts of what it takes or makes. No
single value that is made is larger than `SIZE`. What stands outside loops is bounded by the template's source, and is
counted only where that has very many filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TypeVar

from jinja2 import pass_context
from jinja2.runtime import Context

from router.errors import TemplateError
from router.rendering.values import as_text

STEPS = 100_000
SIZE = 2**20
"""Characters or items of one value that is made, and bytes of a whole document."""
NODES, TEXT, ITEMS = 16, 1024, 16
BUDGET = "__budget"
"""Name of the budget in the context; templates can't say it."""

Made = TypeVar("Made")


class Budget:
    """The steps of one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Pay, or end the rendering."""
        self.left -= steps
        if self.left < 0:
            raise TemplateError(f"the template takes more than {STEPS} steps; loop over less")


def within(budget: Budget, made: Made) -> Made:
    """The value, paid for by its size and that of everything in it, if it is not too large."""
    if isinstance(made, str) and len(made) < TEXT:  # as nearly all are
        return made
    steps, parts = _weight(made)
    budget.spend(steps + parts // ITEMS)
    if isinstance(made, str | list | tuple | dict) and len(made) > SIZE:
        raise TemplateError(f"the template makes a value of more than {SIZE} characters or items")
    return made


def _weight(value: object) -> tuple[int, int]:
    """What the texts in a value cost, and how many parts it has."""
    if isinstance(value, str):
        return len(value) // TEXT, 1
    if not isinstance(value, list | tuple | dict):
        return 0, 1
    steps, parts = 0, 1
    for item in value.values() if isinstance(value, dict) else value:
        more, inner = _weight(item)
        steps += more
        parts += inner
    return steps, parts


def price(nodes: int) -> int:
    """What one turn of a loop costs whose body has so many parts."""
    return 1 + nodes // NODES


@pass_context
def bounded(context: Context, iterable: Iterable[object], steps: int) -> list[object]:
    """What a loop runs over, paid for: so many steps for each turn."""
    items = list(iterable)
    context[BUDGET].spend(1 + len(items) * steps)
    return items


@pass_context
def joined(context: Context, parts: Iterable[object]) -> str:
    """What `~` makes."""
    return within(context[BUDGET], "".join(map(as_text, parts)))


@pass_context
def weighed(context: Context, value: object) -> object:
    """A value that is about to be compared or was sliced, paid for."""
    return within(context[BUDGET], value)


def paid(name: str) -> str:
    """The name under which a filter is found whose work is counted."""
    return f"__paid_{name}"


def charged(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, paid for."""
    wants = getattr(getattr(filter_, "jinja_pass_arg", None), "name", None)

    @wraps(filter_)
    def counted(context: Context, *arguments: object, **options: object) -> object:
        budget: Budget = context[BUDGET]
        budget.spend(1)
        for argument in arguments:
            within(budget, argument)
        if wants is None:
            return within(budget, filter_(*arguments, **options))
        first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}[wants]
        return within(budget, filter_(first, *arguments, **options))

    return pass_context(counted)
