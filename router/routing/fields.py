"""The fields of an event that a matcher may name, and how their values read as text (pure).

Rules:
(1) Fields are what `router.events` declares of decisions and of notices: dotted paths to everything that is no mapping.
    Nothing is listed by hand, so a field that is added to an event can be matched at once. `sequence` is none of them:
    the outbox gives it after the routes were asked.
(2) A list stands for all of its elements: `images.verdict` has as many values as there are images, and
    `request.user.groups` as many as there are groups.
(3) Values compare as text: strings as they are, `true` and `false`, numbers as in the event's JSON; null, an empty list
    and whatever is missing as the empty text (Alertmanager takes an absent label for an empty one). So that is one of
    the texts of a closed set wherever a step of the path may be missing or null, or an event of the other type has no
    such field: a matcher does ask whether a field is there.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache

import orjson
from typing_extensions import get_type_hints, is_typeddict

from router.events import EventData, NoticeEventData

Values = Callable[[Mapping[str, object]], list[str]]
"""Reads every value of one field from an event's `data`, as text."""

_GIVEN_LATER = "sequence"
_EMPTY = frozenset({""})
_BOOLEANS = frozenset({"true", "false"})


@lru_cache(maxsize=1)
def fields() -> Mapping[str, frozenset[str] | None]:
    """Every field, and the texts that it may hold where these are a closed set."""
    found = fields_of(EventData, NoticeEventData)
    return types.MappingProxyType({path: closed for path, closed in found.items() if path != _GIVEN_LATER})


def fields_of(*kinds: type) -> Mapping[str, frozenset[str] | None]:
    """The same of events of any of these types."""
    declared = [dict(_declared(kind, "", may_lack=False)) for kind in kinds]
    found: dict[str, frozenset[str] | None] = {}
    for path in dict.fromkeys(path for one in declared for path in one):
        sets = [one.get(path, _EMPTY) for one in declared]
        found[path] = None if None in sets else frozenset().union(*(one for one in sets if one is not None))
    return found


def field_paths() -> frozenset[str]:
    """Every dotted path that a matcher may name, such as `decision.would_reject`."""
    return frozenset(fields())


def _declared(kind: object, path: str, *, may_lack: bool) -> list[tuple[str, frozenset[str] | None]]:
    alternatives, is_optional = _alternatives(kind)
    may_lack |= is_optional
    if len(alternatives) == 1 and is_typeddict(alternatives[0]):
        found: list[tuple[str, frozenset[str] | None]] = []
        written = get_type_hints(alternatives[0], include_extras=True)
        for name, inner in get_type_hints(alternatives[0]).items():
            form: object = typing.get_origin(written[name])
            is_missing = form is typing.NotRequired
            found += _declared(inner, f"{path}.{name}" if path else name, may_lack=may_lack or is_missing)
        return found
    if len(alternatives) == 1 and typing.get_origin(alternatives[0]) is list:
        return _declared(typing.get_args(alternatives[0])[0], path, may_lack=True)
    closed = _closed_set(alternatives)
    return [(path, closed | _EMPTY if closed is not None and may_lack else closed)]


def _alternatives(kind: object) -> tuple[tuple[object, ...], bool]:
    """The types of a union without None, and whether None was among them."""
    if typing.get_origin(kind) not in {typing.Union, types.UnionType}:
        return (kind,), False
    members = typing.get_args(kind)
    return tuple(member for member in members if member is not type(None)), type(None) in members


def _closed_set(alternatives: tuple[object, ...]) -> frozenset[str] | None:
    if alternatives == (bool,):
        return _BOOLEANS
    if len(alternatives) == 1 and isinstance(one := alternatives[0], type) and issubclass(one, enum.Enum):
        return frozenset(as_text(member.value) for member in one)
    if all(typing.get_origin(one) is typing.Literal for one in alternatives):
        return frozenset(as_text(value) for one in alternatives for value in typing.get_args(one))
    return None


def as_text(value: object) -> str:
    """A value of an event as matchers see it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else orjson.dumps(value, default=str).decode()


def reader(path: str) -> Values:
    """A function that reads the values of this field."""
    parts = tuple(path.split("."))

    def values(data: Mapping[str, object]) -> list[str]:
        found: list[str] = []
        _collect(data, parts, found)
        return found

    return values


def _collect(value: object, parts: tuple[str, ...], found: list[str]) -> None:
    for index, part in enumerate(parts):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and value:
            for element in value:
                _collect(element, parts[index:], found)
            return
        else:
            value = None
            break
    if isinstance(value, list):
        found.extend(map(as_text, value or [None]))
    else:
        found.append(as_text(value))
