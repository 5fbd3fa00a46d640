"""Jinja's own filters, as far as templates of payloads have them. Pure.

Those that neither read attributes nor make much of little are Jinja's. Made anew under the same name are those that
would make iterators or numbers that JSON has not, or turn values into Python's texts (`None`, `True`), or could make a
huge value before anybody counts. What is not here (`format`, `center`, `indent`, `batch`, `tojson` with HTML, `safe`
...) is not there for templates.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from typing import cast

from jinja2 import Environment, pass_context, pass_environment
from jinja2.filters import FILTERS, do_round, make_attrgetter
from jinja2.runtime import Context

from router.errors import TemplateError
from router.integers import INTEGERS
from router.rendering.budget import expect_affordable, paid
from router.rendering.values import as_text
from router.text import shown

_AS_THEY_ARE = (
    "abs", "count", "d", "default", "dictsort", "first", "groupby", "last", "length", "list", "max", "min",
    "sort",
)  # fmt: skip
_AS_LISTS = ("items", "reverse")
_BY_TEST = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""Which argument names a test of each item."""
_as_float = cast("Callable[[object, object], object]", FILTERS["float"])
_as_int = cast("Callable[[object, object, int], object]", FILTERS["int"])
_map = cast("Callable[..., Iterable[object]]", FILTERS["map"])
_unique = cast("Callable[..., Iterable[object]]", FILTERS["unique"])
_FEW = 256
"""Characters that each of those of a text is compared with."""
_DEPTH = 32
"""Names in the path of an attribute, each of which is a look into every item."""
_PRECISION = 15
"""Digits after the point that a number with 64 bits can have."""


def _replace(value: object, old: str, new: str, count: int = -1) -> str:
    """Every `old`, or the first `count`, by `new`."""
    text, old, new = as_text(value), as_text(old), as_text(new)
    times = text.count(old) if count < 0 else min(count, text.count(old))
    expect_affordable(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, count)


@pass_environment
def _join(environment: Environment, value: Iterable[object], between: str = "", attribute: str | None = None) -> str:
    """The items as one text."""
    items = value if attribute is None else map(make_attrgetter(environment, attribute), value)
    texts = [as_text(item) for item in items]
    expect_affordable(sum(map(len, texts)) + len(texts) * len(as_text(between)))
    return as_text(between).join(texts)


@pass_context
def _mapped(context: Context, value: Iterable[object], *arguments: object, **options: object) -> list[object]:
    """What a filter makes of each item, or one field of each; that of mappings is quick, for it is what all ask for."""
    attribute = options.get("attribute")
    if len(options) == 1 and isinstance(attribute, str) and isinstance(value, list) and not arguments:
        with suppress(LookupError, TypeError):
            return [item[attribute] for item in value]
    return list(_map(context, value, *_paid_at(0, arguments, context.environment.filters), **options))


def _paid_at(place: int, arguments: Sequence[object], known: Collection[str]) -> Sequence[object]:
    """The arguments, with the name there of a filter or a test become that of its counted one: each item costs.

    A name that only we say is nobody's to say: what it does counts otherwise, or not at all.
    """
    name = arguments[place] if place < len(arguments) else None
    if not isinstance(name, str):
        return arguments
    if name.startswith("_"):
        raise TemplateError(f"there is no {shown(name)} for templates")
    if paid(name) not in known:
        return arguments
    return [*arguments[:place], paid(name), *arguments[place + 1 :]]


def _by_test(name: str, place: int) -> Callable[..., object]:
    """Jinja's filter of this name, whose test of each item is named there."""
    chosen = cast("Callable[..., Iterable[object]]", FILTERS[name])

    @pass_context
    def by_test(context: Context, value: Iterable[object], *arguments: object) -> list[object]:
        """The items that pass a test or do not, or that are something or nothing."""
        if place:
            _expect_shallow(arguments[0] if arguments else None)
        return list(chosen(context, value, *_paid_at(place, arguments, context.environment.tests)))

    return by_test


@pass_environment
def _without_repetition(
    environment: Environment,
    value: Iterable[object],
    case_sensitive: bool = False,  # noqa: FBT001, FBT002 - as templates give it
    attribute: str | None = None,
) -> list[object]:
    """The items, each once, whatever its case."""
    items = list(value)
    return items if len(items) == 1 else list(_unique(environment, items, case_sensitive, attribute))


@pass_environment
def _sum(environment: Environment, value: Iterable[object], attribute: str | None = None, start: float = 0) -> float:
    """The sum of numbers."""
    for item in value if attribute is None else map(make_attrgetter(environment, attribute), value):
        if not isinstance(item, int | float):
            raise TemplateError(f"`sum` adds numbers, not {shown(as_text(item), 40)}")
        start += item
    if not math.isfinite(start):
        raise TemplateError("`sum` makes a number that is too large")
    return start


def _float(value: object, default: object = 0.0) -> object:
    """The number that a value says; the default where it says none, or none that JSON has."""
    made = _as_float(value, default)
    return default if isinstance(made, float) and not math.isfinite(made) else made


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    """A number with so many digits after the point."""
    if method not in {"common", "ceil", "floor"} or not -_PRECISION <= precision <= _PRECISION:
        raise TemplateError(f"`round` takes at most {_PRECISION} digits, and 'common', 'ceil' or 'floor'")
    return do_round(value, precision, method)  # type: ignore[arg-type]  # one of the three, as was checked


def _int(value: object, default: object = 0, base: int = 10) -> object:
    """The whole number that a value says; the default where it says none, or none that JSON has."""
    made = _as_int(value, default, base)
    return default if isinstance(made, int) and made not in INTEGERS else made


def _trim(value: object, characters: str | None = None) -> str:
    """A text without blanks, or these characters, at both its ends."""
    if characters is not None and len(characters) > _FEW:
        raise TemplateError(f"`trim` takes at most {_FEW} characters")
    return as_text(value).strip(characters)


def _place_of_attribute(filter_: Callable[..., object]) -> int | None:
    """Where a filter takes the path of an attribute, counted from behind its value; None where it takes none there."""
    names = list(inspect.signature(filter_).parameters)  # behind an environment or a context, and the value
    if "attribute" not in names:
        return None
    return names.index("attribute") - 1 - hasattr(filter_, "jinja_pass_arg")


def _expect_shallow(path: object) -> None:
    if isinstance(path, str) and path.count(".") + path.count(",") >= _DEPTH:
        raise TemplateError(f"the path of an attribute has more than {_DEPTH} names")


def _without_deep_paths(filter_: Callable[..., object], place: int | None) -> Callable[..., object]:
    """The filter, which refuses the path of an attribute that is deeper than anything has fields."""

    @wraps(filter_)
    def checked(*arguments: object, **options: object) -> object:
        given = arguments[1 + hasattr(filter_, "jinja_pass_arg") :]
        path = options.get("attribute", given[place] if place is not None and place < len(given) else None)
        _expect_shallow(path)
        return filter_(*arguments, **options)

    return checked


def _listed(filter_: Callable[..., object]) -> Callable[..., object]:
    @wraps(filter_)
    def listed(*arguments: object, **options: object) -> object:
        made = filter_(*arguments, **options)
        return list(made) if isinstance(made, Iterable) and not isinstance(made, str) else made

    return listed


def _of_text(change: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: change(as_text(value))


def jinja_filters() -> dict[str, Callable[..., object]]:
    """Filters by name."""
    remade: dict[str, Callable[..., object]] = {
        "capitalize": _of_text(str.capitalize),
        "float": _float,
        "int": _int,
        "join": _join,
        "map": _mapped,
        "unique": _without_repetition,
        "lower": _of_text(str.lower),
        "replace": _replace,
        "round": _round,
        "string": as_text,
        "sum": _sum,
        "title": _of_text(str.title),
        "trim": _trim,
        "upper": _of_text(str.upper),
    }
    listed = {name: _listed(FILTERS[name]) for name in _AS_LISTS}
    listed |= {name: _by_test(name, place) for name, place in _BY_TEST.items()}
    found = {name: FILTERS[name] for name in _AS_THEY_ARE} | listed | remade
    return {name: _without_deep_paths(filter_, _place_of_attribute(filter_)) for name, filter_ in found.items()}
