"""The Jinja environment of payload templates: nothing reaches outside, and everything ends. Pure.

Rules:
(1) Values are JSON-like: mappings, lists, texts, numbers, booleans, null. `a.b` is a key, never a method or attribute,
    so that no field of an event can collide with one; beyond that there is only `loop`.
(2) There is nothing to call but `range` and `loop.cycle`; filters are a closed list; no include, import, inheritance,
    macro or block.
(3) Undefined names are errors that name what is near.
(4) Every turn of a loop costs a step, and a text or list that a filter or operator makes costs its length; a template
    has `STEPS` and `SIZE` of them. Repetition (`*`), powers and `%` formats of texts are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import NoReturn, TypeVar

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from router.errors import TemplateError

STEPS = 100_000
SIZE = 2**20
"""Characters of one text that is made, and bytes of a whole document."""
RANGE = 10_000
BUDGET = "__budget"
"""Name of the steps that are left, in the context."""

_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
                   "previtem", "nextitem", "cycle", "changed"})  # fmt: skip
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


@pass_context
def bounded(context: Context, iterable: Iterable[object]) -> list[object]:
    """What a loop runs over, paid for."""
    items = list(iterable)
    context[BUDGET].spend(1 + len(items))
    return items


def joined(parts: Iterable[object]) -> str:
    """What `~` makes."""
    return of_size("".join(map(str, parts)))


def of_size(made: Made) -> Made:
    """The value if it is not too large."""
    if isinstance(made, str | list | tuple) and len(made) > SIZE:
        raise TemplateError(f"the template makes a value of more than {SIZE} characters or items")
    return made


def limited(filter_: Callable[..., object]) -> Callable[..., object]:
    """A filter whose result may not be too large."""

    @wraps(filter_)
    def checked(*arguments: object, **options: object) -> object:
        return of_size(filter_(*arguments, **options))

    return checked


def bounded_range(*bounds: int) -> range:
    """Python's `range`, not longer than `RANGE`."""
    made = range(*bounds)
    if len(made) > RANGE:
        raise TemplateError(f"range() is limited to {RANGE} numbers")
    return made


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment; rules in the module's docstring."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, filters: Mapping[str, Callable[..., object]]) -> None:
        super().__init__(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True)
        self.globals.clear()
        self.globals["range"] = bounded_range
        self.filters.clear()
        self.filters.update(filters)
        self.filters["__bounded"] = bounded
        self.filters["__joined"] = joined

    def getattr(self, obj: object, attribute: str) -> object:
        """`obj.attribute`: a key of a mapping, or what `loop` offers."""
        if isinstance(obj, dict):
            try:
                return obj[attribute]
            except KeyError:
                return self._missing(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self._missing(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        """`obj[argument]`: a key, an index or a slice."""
        if isinstance(obj, dict) and isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self._missing(obj, str(argument))
        return self._missing(obj, str(argument))

    def is_safe_callable(self, obj: object) -> bool:
        """Whether it may be called: `range` and `loop.cycle`, `loop.changed`."""
        return obj is bounded_range or isinstance(getattr(obj, "__self__", None), LoopContext)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Arithmetic on numbers; `+` of texts and lists as far as the result is small."""
        are_numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or (operator in {"*", "%"} and not are_numbers):
            raise TemplateError(f"{operator!r} is for numbers (`**` for nothing); use a filter")
        return of_size(super().call_binop(context, operator, left, right))

    def concat(self, parts: Iterable[str]) -> str:
        """The whole document, as far as it is not too large."""
        collected, size = [], 0
        for part in parts:
            collected.append(part)
            size += len(part)
            if size > SIZE:
                raise TemplateError(f"the document is larger than {SIZE} characters")
        return "".join(collected)

    def _missing(self, obj: object, name: str) -> Undefined:
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, dict):
            near = get_close_matches(name, [key for key in obj if isinstance(key, str)], n=1, cutoff=0.5)
            known = ", ".join(sorted(key for key in obj if isinstance(key, str) and not key.startswith("__"))[:40])
            hint = f"did you mean {near[0]!r}?" if near else f"there is: {known}"
        else:
            hint = f"a {type(obj).__name__} has no fields; use a filter"
        return self.undefined(f"there is no {name!r}; {hint}")


def refuse(node: nodes.Node, what: str) -> NoReturn:
    """Say that a part of Jinja is not for templates of payloads."""
    raise TemplateError(f"line {node.lineno}: {what}")
