r"""Matchers on the fields of an event, in the form that Alertmanager made known (pure).

    decision.would_reject = true
    request.namespace =~ "team-(a|b)-.*"
    images.verdict != unsigned

Rules:
(1) FIELD OPERATOR VALUE. Fields are those of `router.routing.fields`; operators are `=`, `!=`, `=~` and `!~`.
(2) A value is bare or stands in double quotes. In both, `\"` is a quote, `\\` a backslash and `\n` a line break;
    any other backslash is itself, so that a regular expression reads as it is written. A bare value holds no white
    space, comma or quote: what would be a second matcher is refused instead of becoming part of the first value.
(3) Regular expressions match the whole value, in linear time (`router.expressions`): whoever deploys chooses the value.
(4) Where a field has several values, `=` and `=~` hold if any of them matches, `!=` and `!~` if none does. So each
    negation is the exact opposite of its counterpart. An empty list has one value, the empty text, as what is missing.
(5) What can never match is an error, not a silent miss: unknown fields, and values beyond a closed set
    (`decision.outcome = refused`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

from router.expressions import full_match
from router.routing.fields import field_paths, fields, reader
from router.text import listed, nearest, shown

_FORM = re.compile(r"\s*(?P<field>[^\s=!~\"']*)\s*(?P<operator>[=!~<>]*)\s*(?P<value>.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r'"(?P<inner>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\([\\"n])')
_NOT_BARE = re.compile(r"[\s\",']")
_OPERATORS = "write FIELD OPERATOR VALUE with one of = != =~ !~"

Test = Callable[[Mapping[str, object]], bool]
"""Whether an event's `data` is matched."""


class Operator(StrEnum):
    """How a value is compared."""

    IS = "="
    IS_NOT = "!="
    LIKE = "=~"
    NOT_LIKE = "!~"

    @property
    def is_pattern(self) -> bool:
        """Whether the value is a regular expression."""
        return self in {Operator.LIKE, Operator.NOT_LIKE}


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one field of an event; `str` writes it so that `parse_matcher` reads the same."""

    field: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.field} {self.operator} "{escaped}"'

    def compiled(self) -> Test:
        """The condition as a function of an event's `data`."""
        values, wanted = reader(self.field), self.value
        match self.operator:
            case Operator.IS:
                return lambda data: wanted in values(data)
            case Operator.IS_NOT:
                return lambda data: wanted not in values(data)
            case Operator.LIKE:
                fits = full_match(wanted)
                return lambda data: any(map(fits, values(data)))
            case Operator.NOT_LIKE:
                fits = full_match(wanted)
                return lambda data: not any(map(fits, values(data)))
            case _:
                assert_never(self.operator)


@lru_cache(maxsize=4096)  # a configuration is read several times: as a whole, as parts, by each process
def parse_matcher(text: str) -> Matcher:
    """The matcher that an operator wrote.

    Raises:
        ValueError: It is none; the text says what was found and what to write instead.
    """
    parts = _FORM.fullmatch(text)
    if parts is None or not parts["field"] or not parts["operator"]:
        raise ValueError(f"{shown(text)} is not a valid matcher; {_OPERATORS}, such as decision.would_reject = true")
    operator = _operator(text, parts["operator"])
    if parts["field"] not in fields():
        raise ValueError(f"{shown(parts['field'])} is not a field of an event; {_field_advice(parts['field'])}")
    matcher = Matcher(parts["field"], operator, _value(text, parts["value"]))
    if operator.is_pattern:
        full_match(matcher.value)
    else:
        _expect_possible(matcher)
    return matcher


def checked_matcher(text: str) -> str:
    """The text, if it is a matcher; raises ValueError as `parse_matcher` does."""
    parse_matcher(text)
    return text


def _operator(text: str, found: str) -> Operator:
    try:
        return Operator(found)
    except ValueError:
        hint = "an exact comparison is a single =" if found == "==" else _OPERATORS
        raise ValueError(f"{found} is not a valid operator in {shown(text)}; {hint}") from None


def _value(text: str, written: str) -> str:
    if not written:
        raise ValueError(f'{shown(text)} has no value; the empty one is written ""')
    if (quoted := _QUOTED.fullmatch(written)) is not None:
        written = quoted["inner"]
    elif _NOT_BARE.search(written) is not None:
        advice = "a value with white space, commas or quotes stands in double quotes, and each matcher on its own"
        raise ValueError(f"{shown(written)} is not a valid value in {shown(text)}; {advice}")
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], written)


def _expect_possible(matcher: Matcher) -> None:
    possible = fields()[matcher.field]
    if possible is not None and matcher.value not in possible:
        advice = _near_or(matcher.value, possible, f"expected one of {_in_order(possible)}")
        raise ValueError(f"{matcher.field} is never {shown(matcher.value)}; {advice}")


def _field_advice(found: str) -> str:
    inner = sorted(path for path in field_paths() if path.startswith(f"{found}."))
    return f"expected one of {_in_order(inner)}" if inner else _near_or(found, field_paths(), _fields_advice())


def _fields_advice() -> str:
    return f"the fields are {_in_order(field_paths())}"


def _near_or(found: str, known: Iterable[str], otherwise: str) -> str:
    near = nearest(found, known)
    return otherwise if near is None else f"did you mean {shown(near)}?"


def _in_order(names: Iterable[str]) -> str:
    every = [name or '""' for name in sorted(names)]
    return listed(every, len(every))
