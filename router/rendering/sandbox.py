"""The Jinja environment of payload templates: nothing reaches outside, and everything ends. Pure.

Rules:
(1) Values are JSON-like: mappings, lists, texts, numbers, booleans, null. `a.b` is a key, never a method or attribute,
    so that no field of an event can collide with one; beyond that there is only `loop`.
(2) There is nothing to call but `range`, `loop.cycle` and `loop.changed`; filters and tests are closed lists; there is
    no include, import, inheritance, macro or block.
(3) What is not there is an error that names what is near, unless the template asks (`is defined`, `default`).
(4) Everything is paid for from a budget of steps (`budget`): turns of loops by how much they do, filters, operators,
    comparisons and slices by the size of what they take and make. Powers are refused, and so are repetition (`*`) and
    `%` formats of texts. Numbers stay within what JSON parsers agree on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import cast

from jinja2 import StrictUndefined, Undefined
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from router.errors import TemplateError
from router.integers import INTEGERS
from router.rendering.budget import BUDGET, SIZE, StepBudget, bounded, charged, joined, paid, weighed, within
from router.rendering.failures import kind_in_words
from router.text import listed, nearest, shown

RANGE = 10_000
"""Numbers that `range` makes."""
_AT_ONCE = 32
"""Pieces of a document that are made before its size is looked at."""

_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
                   "previtem", "nextitem", "cycle", "changed"})  # fmt: skip
_OF_JINJA = ("boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt",
             "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd",
             "sequence", "string", "true", "undefined", "upper", "==", "!=", ">", ">=", "<", "<=")  # fmt: skip


_TESTS = cast("Mapping[str, Callable[..., object]]", TESTS)


def bounded_range(*bounds: int) -> range:
    """Python's `range`, not longer than `RANGE`."""
    made = range(*bounds)
    if len(made) > RANGE:
        raise TemplateError(f"range() is limited to {RANGE} numbers")
    return made


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment; rules in the module's docstring."""

    intercepted_binops = frozenset({"*", "**", "%", "+", "-", "/", "//"})

    def __init__(self, filters: Mapping[str, Callable[..., object]]) -> None:
        # Not optimized: what Jinja works out when it reads a template is not paid for.
        super().__init__(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True, optimized=False)
        self.globals.clear()
        self.globals["range"] = bounded_range
        self.tests = {name: TESTS[name] for name in _OF_JINJA}
        self.tests |= {paid(name): charged(_TESTS[name]) for name in _OF_JINJA}
        self.filters.clear()
        self.filters.update(filters)
        self.filters |= {paid(name): charged(filter_) for name, filter_ in filters.items()}
        self.filters |= {paid(name, if_long=True): charged(filter_, if_long=True) for name, filter_ in filters.items()}
        self.filters |= {"__bounded": bounded, "__joined": joined, "__weighed": weighed}

    def getattr(self, obj: object, attribute: str) -> object:
        """`obj.attribute`: a key of a mapping, or what `loop` offers, or a group of `groupby`."""
        if isinstance(obj, dict):
            try:
                return obj[attribute]
            except KeyError:
                return self._missing(obj, attribute)
        offered = (
            _LOOP if isinstance(obj, LoopContext) else getattr(obj, "_fields", ()) if isinstance(obj, tuple) else ()
        )
        if attribute in offered:
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
                return self.undefined(f"there is no item {argument}; there are {len(obj)}")
        return self._missing(obj, str(argument))

    def is_safe_callable(self, obj: object) -> bool:
        """Whether it may be called: `range` and `loop.cycle`, `loop.changed`."""
        return obj is bounded_range or isinstance(getattr(obj, "__self__", None), LoopContext)

    def call(self, context: Context, obj: object, *arguments: object, **options: object) -> object:
        """A call; of what is not there, an error that says so."""
        if isinstance(obj, Undefined):
            return str(obj)  # raises
        for argument in (*arguments, *options.values()):  # `loop.changed` compares them
            within(context[BUDGET], argument)
        return super().call(context, obj, *arguments, **options)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Arithmetic on numbers; `+` of texts and lists as far as the result is small."""
        are_numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**":
            raise TemplateError("powers (`**`) are not for templates of payloads")
        if operator in {"*", "%"} and not are_numbers:
            raise TemplateError(f"`{operator}` is for numbers; for texts there are filters")
        made = super().call_binop(context, operator, left, right)
        if isinstance(made, int) and made not in INTEGERS:
            raise TemplateError(f"`{operator}` makes a number of more than 64 bits")
        if isinstance(made, float) and not math.isfinite(made):
            raise TemplateError(f"`{operator}` makes a number that is too large")
        return made if are_numbers else within(context[BUDGET], made)

    def concat(self, parts: Iterable[str]) -> str:
        """The whole document, as far as it is not too large."""
        pieces, size = iter(parts), 0
        whole: list[str] = []
        while some := list(islice(pieces, _AT_ONCE)):
            whole += some
            size += sum(map(len, some))
            if size > SIZE:
                raise TemplateError(f"the document is larger than {SIZE} bytes; truncate its texts")
        return "".join(whole)

    def context(self, names: Mapping[str, object]) -> Context:
        """What one rendering sees: these names, `range`, and a budget of its own."""
        return Context(self, {**names, "range": bounded_range, BUDGET: StepBudget()}, None, {})

    def _missing(self, obj: object, name: str) -> Undefined:
        match obj:
            case Undefined():
                return obj
            case dict():
                return self.undefined(f"there is no {shown(name)}; {hint(name, obj)}")
            case None:
                return self.undefined(f"there is no {shown(name)} in null; ask first: {{% if ... %}}")
            case _:
                return self.undefined(f"there is no {shown(name)}: {kind_in_words(obj)} has no fields; use a filter")


def hint(name: str, known: Iterable[object]) -> str:
    """The nearest name, or those that there are."""
    names = sorted(key for key in known if isinstance(key, str) and not key.startswith("_"))
    near = nearest(name, names)
    return f"did you mean {shown(near)}?" if near else f"there is: {listed(names, 60)}"
