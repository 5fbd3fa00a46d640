"""From plain data to settings, or to everything that is wrong with it, told in an operator's words.

Rules:
(1) The data is validated as JSON and strictly: what the published schema refuses (`"yes"` for true, `"3"` for 3)
    is refused here too.
(2) Every error of pydantic becomes one finding at a path of the file; parts of pydantic's own location that are no
    keys (tags of unions) are dropped. A key that was probably meant for a missing one is told once, not twice.
(3) Where a member of a union says only that a value is of another type, the others are believed.
(4) A kind that is not known is replaced by the nearest one for a second look, so that it hides nothing else; unless it
    is one that is to come, which no other resembles.
(5) An error about a whole item stands at the member that it speaks of: one that its text names in backticks, then
    the last one whose value it quotes (the item's own name aside), then one whose key it mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from router.by_reference import Secret
from router.fields import ReadingContext, SettingsModel
from router.settings import shape
from router.settings.problems import ConfigurationFinding, Path, Plain, in_words, inside
from router.settings.wording import worded
from router.text import advice, listed, nearest, shown

T = TypeVar("T")

_NO_MAP = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"})
"""Errors that only say that a value is no map."""
_NO_SCALAR = frozenset({"literal_error", "enum", "string_type", "int_type", "float_type", "bool_type", "path_type"})
"""Errors of a map that only say that it is no single value."""
_TOO_COMMON = frozenset({"name", shape.TAG})
"""Keys that a text mentions without meaning them."""
_TEXTS = frozenset({"value_error", "assertion_error"})
_BEGINNINGS = frozenset({"A", "An", "How", "The", "What", "When", "Where", "Whether", "Which", "Who", "Whose"})
"""Words that begin what is said of a key, and go on with small letters within a sentence."""


@dataclass(frozen=True, slots=True)
class Located:
    """An error of pydantic, and where in the file it is."""

    path: Path
    error: ErrorDetails
    annotation: shape.TypeAnnotation
    """What may stand there."""
    value: Plain
    """What does stand there."""
    parent: type[BaseModel] | None
    """The settings that it is a member of."""

    @property
    def type(self) -> str:
        """Pydantic's name of the error."""
        return self.error["type"]


def validated(
    adapter: TypeAdapter[T], root: shape.TypeAnnotation, data: Plain, reading: ReadingContext
) -> T | list[ConfigurationFinding]:
    """The settings, or every finding of validating the data; `root` is the type that the adapter is for."""
    result = _tried(adapter, data, reading)
    if not isinstance(result, _Errors):
        return result
    found = [_located(root, data, error) for error in result.errors]
    supposed, prefixes = _with_nearest_kinds(data, found)
    if prefixes and isinstance(second := _tried(adapter, supposed, reading), _Errors):
        hidden = [_located(root, supposed, error) for error in second.errors]
        found += [located for located in hidden if any(located.path[: len(p)] == p for p in prefixes)]
    return list(_findings(found))


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Where what is not valid stands."""

    places: Sequence[Path]
    """Of each mistake the value that is wrong, or that lacks something."""


def valid_or_mistakes(
    adapter: TypeAdapter[T], root: shape.TypeAnnotation, data: Plain, reading: ReadingContext
) -> T | Mistakes:
    """The settings, or only where they are wrong, kinds that are nearly known aside; `root` is the adapter's type."""
    result = _tried(adapter, data, reading)
    if not isinstance(result, _Errors):
        return result
    found = [_located(root, data, error) for error in result.errors]
    supposed, prefixes = _with_nearest_kinds(data, found)
    if prefixes:
        return valid_or_mistakes(adapter, root, supposed, reading)
    return Mistakes([one.path[:-1] if one.type == "missing" else one.path for one in found])


@dataclass(frozen=True, slots=True)
class _Errors:
    errors: list[ErrorDetails]


def _tried(adapter: TypeAdapter[T], data: Plain, reading: ReadingContext) -> T | _Errors:
    try:
        return adapter.validate_json(to_json(data), strict=True, context={"reading": reading})
    except ValidationError as error:
        return _Errors(error.errors(include_url=False, include_input=False))


def _with_nearest_kinds(data: Plain, found: Sequence[Located]) -> tuple[Plain, list[Path]]:
    """The data with every unknown kind replaced by the nearest known one, and where that was done."""
    prefixes: list[Path] = []
    for located in found:
        if located.type == "union_tag_invalid":
            given = str(_given_tag(located))
            tag = nearest(given, _tags_of(located.annotation))
            if tag is not None and given not in _kinds_to_come(located.annotation):
                data = _replaced(data, (*located.path, shape.TAG), tag)
                prefixes.append(located.path)
    return data, prefixes


def _given_tag(located: Located) -> Plain:
    return inside(located.value, shape.TAG)


def _tags_of(annotation: shape.TypeAnnotation) -> list[str]:
    return [tag for model in shape.models_in(annotation) for tag in shape.tags(model)]


def _replaced(data: Plain, path: Path, value: Plain) -> Plain:
    """A copy of the data with another value at the path."""
    if not path:
        return value
    match data, path[0]:
        case dict(), str() as key:
            return data | {key: _replaced(data.get(key), path[1:], value)}
        case list(), int() as index:
            return [*data[:index], _replaced(data[index], path[1:], value), *data[index + 1 :]]
        case _:
            return data


def without(data: Plain, path: Path) -> Plain:
    """A copy of the data without the key that stands at the end of the path."""
    match data, path[0]:
        case dict(), str() as key if len(path) == 1:
            return {name: value for name, value in data.items() if name != key}
        case dict(), str() as key if key in data:
            return data | {key: without(data[key], path[1:])}
        case list(), int() as index if index < len(data):
            return [*data[:index], without(data[index], path[1:]), *data[index + 1 :]]
        case _:
            return data


def _located(root: shape.TypeAnnotation, data: Plain, error: ErrorDetails) -> Located:
    """Follow pydantic's location through the data; what is neither key nor index there is the tag of a union."""
    annotation, value, parent = root, data, None
    path: list[str | int] = []
    after_tag = False
    for number, part in enumerate(error["loc"], 1):
        is_tag = not after_tag and inside(value, shape.TAG) == part and part in _tags_of(annotation)
        stands = (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int))
        is_missing = error["type"] == "missing" and number == len(error["loc"])
        if is_tag or not (stands or is_missing):
            after_tag = is_tag
            continue
        parent = shape.model_for(annotation, value)
        annotation, value = shape.member(annotation, part, value), inside(value, part)
        path.append(part)
        after_tag = False
    return Located(tuple(path), error, annotation, value, parent)


def _findings(found: Sequence[Located]) -> Iterator[ConfigurationFinding]:
    believed = _believed(found)
    strangers = {located.path for located in believed if located.type == "extra_forbidden"}
    for located in believed:
        if located.type != "missing" or not _is_misspelt(located, strangers):
            yield _finding(located)


def _believed(found: Sequence[Located]) -> list[Located]:
    """The errors without those of union members that only say that the value is of another type."""
    by_path: dict[Path, list[Located]] = {}
    for located in found:
        by_path.setdefault(located.path, []).append(located)
    within = {path[:length] for path in by_path for length in range(len(path))}
    return [located for located in found if not _is_beside_the_point(located, by_path[located.path], within)]


def _is_beside_the_point(located: Located, here: Sequence[Located], within: set[Path]) -> bool:
    if located.type == "too_short" and isinstance(located.value, list):
        least: int = located.error.get("ctx", {}).get("min_length", 0)
        return len(located.value) >= least  # items that are not valid were not counted
    if isinstance(located.value, dict):
        others = any(other.type not in _NO_SCALAR for other in here) or located.path in within
        return located.type in _NO_SCALAR and others
    return located.type in _NO_MAP and any(other.type not in _NO_MAP for other in here)


def _is_misspelt(missing: Located, strangers: set[Path]) -> bool:
    """Whether an unknown key beside the missing one is nearly its name."""
    parent, key = missing.path[:-1], str(missing.path[-1])
    return any(path[:-1] == parent and nearest(str(path[-1]), [key]) is not None for path in strangers)


def _finding(located: Located) -> ConfigurationFinding:
    path, parent = located.path, located.parent
    match located.type:
        case "extra_forbidden":
            known = () if parent is None else shape.keys(parent)
            if parent is Secret and nearest(str(path[-1]), known) is None:  # it may be the secret itself
                return ConfigurationFinding(path[:-1], "a reference is {file: PATH} or {env: NAME} and nothing else")
            elsewhere = {} if parent is None else _known_elsewhere(parent)
            hint = elsewhere.get(str(path[-1])) or advice(str(path[-1]), known)
            return ConfigurationFinding(path, f"there is no such key; {hint}", at_key=True)
        case "missing":
            return ConfigurationFinding(path, f"is missing; expected {_purpose(located)}")
        case "union_tag_invalid":
            return ConfigurationFinding((*path, shape.TAG), _unknown_kind(_given_tag(located), located.annotation))
        case "union_tag_not_found":
            return ConfigurationFinding(
                (*path, shape.TAG), f"is missing; expected one of {listed(_tags_of(located.annotation))}"
            )
        case _:
            is_key = located.error["loc"][-1:] == ("[key]",)
            text = worded(located.error, located.annotation, str(path[-1]) if is_key else located.value, path)
            is_whole = located.type in _TEXTS and isinstance(located.value, dict)
            target = (*path, *_spoken_of(located.value, text)) if is_whole else path
            return ConfigurationFinding(target, text, at_key=is_key)


def _unknown_kind(tag: Plain, annotation: shape.TypeAnnotation) -> str:
    known = _tags_of(annotation)
    if isinstance(tag, str) and (meanwhile := _kinds_to_come(annotation).get(tag)) is not None:
        return f"{shown(tag)} is not there yet; expected one of {listed(known)}; {meanwhile}"
    words = f"{shown(tag)} is not a known {shape.TAG}" if isinstance(tag, str) else f"found {in_words(tag)}"
    return f"{words}; {advice(str(tag), known)}"


def _kinds_to_come(annotation: shape.TypeAnnotation) -> Mapping[str, str]:
    models = (one for one in shape.models_in(annotation) if issubclass(one, SettingsModel))
    return next((one.kinds_to_come() for one in models), {})


def _known_elsewhere(parent: type[BaseModel]) -> Mapping[str, str]:
    return parent.known_elsewhere() if issubclass(parent, SettingsModel) else {}


def _purpose(located: Located) -> str:
    """The first sentence about a missing key, as it goes on after `expected`."""
    name, parent = str(located.path[-1]), located.parent
    text = " ".join(((shape.meaning_at(parent, name) if parent is not None else "") or "a value").split())
    first, blank, rest = text.split(". ")[0].rstrip(".").partition(" ")
    return f"{first.lower() if first in _BEGINNINGS else first}{blank}{rest}"


def _spoken_of(item: Plain, text: str) -> Path:
    """The path within an item to the member that an error about the whole item speaks of; () where it names none."""
    keys = list(item) if isinstance(item, dict) else []
    for key in re.findall(r"`([A-Za-z_]+)", text):
        if key in keys:
            return (key,)
    for path, scalar in reversed(list(_texts(item))):
        if path != ("name",) and re.search(rf"""["'/]{re.escape(scalar)}["']""", text):
            return path
    mentioned = {key: re.search(rf"\b{re.escape(key).replace('_', '[ _]')}\b", text, re.IGNORECASE) for key in keys}
    places = sorted((match.start(), key) for key, match in mentioned.items() if match and key not in _TOO_COMMON)
    return (places[0][1],) if places else ()


def _texts(value: Plain) -> Iterator[tuple[Path, str]]:
    match value:
        case str() if value:
            yield (), value
        case dict():
            for key, inner in value.items():
                yield from (((key, *path), text) for path, text in _texts(inner))
        case list():
            for index, inner in enumerate(value):
                yield from (((index, *path), text) for path, text in _texts(inner))
