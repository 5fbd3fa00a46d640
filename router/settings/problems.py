"""What is wrong with a configuration, where, and what to write instead. Pure.

Rules:
(1) A problem is a value; all problems of one reading are collected and told together, in the order of the file.
(2) Its text names what was found, what was expected, and the nearest valid name where a name is dangling.
(3) No text holds the value of a secret: values are quoted only by whoever knows that they are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from router.text import more, one_line, shown

MOST_SHOWN = 100
"""Problems that are told in one run: whoever has more has one cause for most of them."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What a YAML document of the core schema holds."""
Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and indexes that lead from the root of the document to a value."""


class FilePosition(NamedTuple):
    """Where something stands in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ConfigurationFinding:
    """Something wrong, or worth a warning, at a path whose place is looked up later."""

    path: Path
    text: str
    at_key: bool = False
    """Whether the key is meant, not its value."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong, with its place; problems are in the order of the file."""

    place: FilePosition
    path: str
    text: str

    def line(self, file: str) -> str:
        """One line: FILE:LINE:COLUMN: PATH: TEXT; the document itself has no PATH."""
        where = f"{file}:{self.place.line}:{self.place.column}: "
        return where + one_line(f"{self.path}: {self.text}" if self.path else self.text)


def listing(file: str, problems: Iterable[Problem]) -> str:
    """All problems, a line each, in the order of the file and without repeats."""
    ordered = sorted(set(problems))
    lines = [problem.line(file) for problem in ordered[:MOST_SHOWN]]
    return "\n".join([*lines, *(f"{file}: {one}" for one in more(len(ordered), MOST_SHOWN))])


def path_text(path: Path) -> str:
    """`policy[0].verifier`; a key that is no plain word stands in brackets and quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text


def in_words(value: Plain) -> str:
    """What was found: a scalar as written, a list or map only by its kind."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return shown(value)
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a map" if value else "an empty map"
        case int() | float():
            return repr(value)


def kind_in_words(value: Plain) -> str:
    """The kind of a found value, where the value itself must not be shown."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case _:
            return in_words(value)


def inside(value: Plain, part: str | int) -> Plain:
    """The value under a key or index; None where there is none."""
    match value, part:
        case dict(), str():
            return value.get(part)
        case list(), int() if 0 <= part < len(value):
            return value[part]
        case _:
            return None
