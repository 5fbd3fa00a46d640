"""What rendering may cost: steps, counted where work is done, so that every template ends. Pure: no clock.

Prices: a turn of a loop costs one step and one more for every `NODES` parts of its body and of its condition; a filter,
an operator, a comparison, a slice, or a list or mapping of more than constants costs one for every `TEXT` characters
and for every `ITEMS` parts of what it takes or makes. No single value that is made has more than `SIZE` characters or
items, and with all that is in it no more than `WHOLE` characters and parts. Which parts of a template are counted is
said in `charging`.
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
WHOLE = 4 * SIZE
"""Characters and parts of one value with all that is in it: one list may stand in another many times."""
NODES, TEXT, ITEMS = 16, 1024, 16
LONG_TEXT, LONG_LIST = 16 * TEXT, 1024
"""Characters and items of what is long: a filter of it is counted wherever it stands."""
BUDGET = "__budget"
"""Name of the budget in the context; templates can't say it."""

Made = TypeVar("Made")


class StepBudget:
    """The steps of one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Pay, or end the rendering."""
        self.left -= steps
        if self.left < 0:
            raise TemplateError(f"the template takes more than {STEPS} steps; loop over less")


def within(budget: StepBudget, made: Made) -> Made:
    """The value, paid for by its size and that of everything in it, if it is not too large."""
    if isinstance(made, str) and len(made) < TEXT:  # as nearly all are
        return made
    weight = _Weight()
    weight.add(made)
    budget.spend(weight.steps + weight.parts // ITEMS)
    if isinstance(made, str | list | tuple | dict):
        expect_affordable(len(made))
    return made


def expect_affordable(size: int) -> None:
    """Whether a value may have so many characters or items; raises TemplateError where it may not."""
    if size > SIZE:
        raise TemplateError(f"the template makes a value of more than {SIZE} characters or items")


class _Weight:
    """What a value costs with everything in it; refuses one that is too large before all of it was looked at."""

    __slots__ = ("characters", "parts", "steps")

    def __init__(self) -> None:
        self.characters, self.parts, self.steps = 0, 0, 0

    def add(self, value: object) -> None:
        """Count a value; raises TemplateError where the whole is too large."""
        self.parts += 1
        if isinstance(value, str):
            self.characters += len(value)
            self.steps += len(value) // TEXT
        if self.characters + self.parts > WHOLE:
            raise TemplateError(f"the template makes a value of more than {WHOLE} characters and parts in all")
        if isinstance(value, range):
            self.parts += len(value)
        elif isinstance(value, list | tuple):
            for item in value:
                self.add(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.characters += len(key) if isinstance(key, str) else 0
                self.add(item)


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
    """What `~` makes; refused before it is made where it is too large."""
    texts = [as_text(part) for part in parts]
    expect_affordable(sum(map(len, texts)))
    return within(context[BUDGET], "".join(texts))


@pass_context
def weighed(context: Context, value: object) -> object:
    """A value that is about to be compared or was sliced, paid for."""
    return within(context[BUDGET], value)


def paid(name: str, *, if_long: bool = False) -> str:
    """The name under which a filter or a test is found whose work is counted; or only where what it takes is long."""
    return f"__{'weighed' if if_long else 'paid'}_{name}"


def _is_long(value: object) -> bool:
    return isinstance(value, str | list | tuple | dict | range) and len(value) > (
        LONG_TEXT if isinstance(value, str) else LONG_LIST
    )


def charged(filter_: Callable[..., object], *, if_long: bool = False) -> Callable[..., object]:
    """The filter or test, paid for; or only where what it takes is long."""
    wants = getattr(getattr(filter_, "jinja_pass_arg", None), "name", None)

    @wraps(filter_)
    def counted(context: Context, *arguments: object, **options: object) -> object:
        given = arguments
        if wants is not None:
            first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}[wants]
            given = (first, *arguments)
        taken = (*arguments, *options.values()) if options else arguments
        if if_long and not any(map(_is_long, taken)):
            return filter_(*given, **options)
        budget: StepBudget = context[BUDGET]
        budget.spend(1)
        for argument in taken:
            within(budget, argument)
        return within(budget, filter_(*given, **options))

    return pass_context(counted)
