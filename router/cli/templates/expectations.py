"""What the author of a template expects of it: `NAME.test.yaml` beside `NAME.json`.

Rules:
(1) The file is a list. Each item names an `event`, an example or a file beside it, and says at least one of `equals`,
    `contains` (both: a value for each place in the document) and `absent` (places that must not be there).
(2) A place is a JSON Pointer (RFC 6901), which begins with `/`, or keys and indexes with dots between them.
(3) `equals` means the same JSON: `1` is neither `"1"` nor `1.0` nor `true`. `contains` means a part of a text, or an
    item of a list.
(4) What is looked at is what the template makes, with the markup that it will have, before any service's limits cut it.
    A template that fails, fails the expectation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, TypeAdapter, model_validator

from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.settings.bounds import Bounds
from router.settings.document import ConfigurationDocument, DocumentNode, Items, Members, plain
from router.settings.problems import Problem, in_words, listing, path_text
from router.settings.reading import read_documents
from router.settings.snapshot import read_file
from router.settings.validating import validated
from router.text import cut, shown, why_unread

SUFFIX = ".test.yaml"
MOST = 1000
"""Expectations of a file."""
BOUNDS = Bounds("file of expectations", 2**20, nodes=100_000, characters=2**22, is_strict=False)
_SHOWN = 200


class ExpectationSettings(SettingsModel):
    """One item of the file."""

    event: str
    """An example, or a file beside this one."""
    equals: dict[str, object] = Field(default_factory=dict)
    """What stands at each place."""
    contains: dict[str, object] = Field(default_factory=dict)
    """What the text or the list at each place holds."""
    absent: tuple[str, ...] = ()
    """Places that are not there."""

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not (self.equals or self.contains or self.absent):
            raise ValueError("nothing is expected; say `equals`, `contains` or `absent`")
        return self


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of the document that is made of an event."""

    line: int
    """In its file."""
    settings: ExpectationSettings

    def unmet(self, document: object) -> Iterator[str]:
        """A sentence for each thing that is not as it is expected."""
        for place, value in self.settings.equals.items():
            if _as_json(found := _found(document, place)) != _as_json(value):
                yield f"{place} is {_said(found)}; expected {_said(value)}"
        for place, value in self.settings.contains.items():
            if not _holds(found := _found(document, place), value):
                yield f"{place} is {_said(found)}; expected it to contain {_said(value)}"
        for place in self.settings.absent:
            if (found := _found(document, place)) is not _NOTHING:
                yield f"{place} is {_said(found)}; expected nothing there"


def expectations(path: Path) -> Sequence[Expectation]:
    """What stands in a file; raises ConfigurationError with everything that is wrong with it."""
    try:
        documents, found = read_documents(read_file(path, BOUNDS.size), BOUNDS)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} can't be read: {why_unread(error)}") from error
    found = [*(problem for _, problems in documents for problem in problems), *found]
    if found:
        raise ConfigurationError(listing(str(path), found))
    match documents:
        case [(Items(nodes=nodes), _)] if 0 < len(nodes) <= MOST:
            read = [_read(node) for node in nodes]
        case _:
            raise ConfigurationError(f"{path}: expected a list of 1 to {MOST} maps, each with `event`")
    wrong = [problem for one in read if isinstance(one, list) for problem in one]
    if wrong:
        raise ConfigurationError(listing(str(path), wrong))
    return [one for one in read if isinstance(one, Expectation)]


def _read(node: DocumentNode) -> Expectation | list[Problem]:
    if not isinstance(node, Members):
        return [Problem(node.place, "", f"found {in_words(plain(node))}; expected a map with `event`")]
    item = ConfigurationDocument(node)
    context = ReadingContext(Path(), {}, read_file)
    found = validated(TypeAdapter(ExpectationSettings), ExpectationSettings, item.data, context)
    if isinstance(found, list):
        return [Problem(item.place(one.path, at_key=one.at_key), path_text(one.path), one.text) for one in found]
    return Expectation(node.place.line, found)


class _Nothing:
    """That nothing stands at a place."""


_NOTHING = _Nothing()


def _found(document: object, place: str) -> object:
    value = document
    for step in _steps(place):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and re.fullmatch("0|[1-9][0-9]{0,6}", step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NOTHING
    return value


def _steps(place: str) -> list[str]:
    if place.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in place[1:].split("/")]
    return place.split(".") if place else []


def _holds(value: object, wanted: object) -> bool:
    match value, wanted:
        case str(), str():
            return wanted in value
        case list(), _:
            return any(_as_json(one) == _as_json(wanted) for one in value)
        case _:
            return False


def _as_json(value: object) -> str | None:
    return None if value is _NOTHING else json.dumps(value, sort_keys=True)


def _said(value: object) -> str:
    if value is _NOTHING:
        return "not there"
    return shown(value, _SHOWN) if isinstance(value, str) else cut(json.dumps(value), _SHOWN)
