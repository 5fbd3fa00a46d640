"""What is wrong with a configuration, where, and what to write instead. Pure.

Rules:
(1) A problem is a value; all problems of one reading are collected and told together, in the order of the file.
(2) Its text names what was found, what was expected, and the nearest valid name where a name is dangling.
(3) No text holds the value of a secret: values are quoted only by whoever knows that they are none.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

MOST_SHOWN = 100
"""Problems that are told in one run: whoever has more has one cause for most of them."""
TEXT_SHOWN = 120
"""Characters of a found text that a problem repeats."""
_NEAR_ENOUGH = 0.6
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What a YAML document of the core schema holds."""
Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and indexes that lead from the root of the document to a value."""


class Place(NamedTuple):
    """Where something stands in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, or worth a warning, at a path whose place is looked up later."""

    path: Path
    text: str
    at_key: bool = False
    """Whether the key is meant, not its value."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong, with its place; problems are in the order of the file."""

    place: Place
    path: str
    text: str

    def told(self, file: str) -> str:
        """One line: FILE:LINE:COLUMN: PATH: TEXT; the document itself has no PATH."""
        where = f"{file}:{self.place.line}:{self.place.column}: "
        return where + _on_one_line(f"{self.path}: {self.text}" if self.path else self.text)


def _on_one_line(text: str) -> str:
    """Without what would end the line or steer a terminal: whoever wrote the file may not be who reads this."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def told(file: str, problems: Iterable[Problem]) -> str:
    """All problems, a line each, in the order of the file and without repeats."""
    ordered = sorted(set(problems))
    lines = [problem.told(file) for problem in ordered[:MOST_SHOWN]]
    if len(ordered) > MOST_SHOWN:
        lines.append(f"{file}: and {len(ordered) - MOST_SHOWN} more")
    return "\n".join(lines)


def path_text(path: Path) -> str:
    """`policy[0].verifier`; a key that is no plain word stands in brackets and quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str) -> str:
    """The text in quotes on one line, cut where it is long."""
    cut = text if len(text) <= TEXT_SHOWN else text[:TEXT_SHOWN] + "..."
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def in_words(value: Plain) -> str:
    """What was found: a scalar as written, a list or map only by its kind."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    by_folded = {text.casefold(): text for text in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=_NEAR_ENOUGH)
    return by_folded[found[0]] if found else None


def listed(names: Sequence[str]) -> str:
    """The names as a remedy lists them."""
    most = 30
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def advice(name: str, known: Iterable[str]) -> str:
    """`did you mean "shop-keys"? (known: allow, deny, shop-keys)`, or what is expected where nothing is near."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there is none to name"
    if (near := nearest(name, names)) is not None:
        return f"did you mean {quoted(near)}? (known: {listed(names)})"
    return f"expected {'one of ' if len(names) > 1 else ''}{listed(names)}"


def inside(value: Plain, part: str | int) -> Plain:
    """The value under a key or index; None where there is none."""
    match value, part:
        case dict(), str():
            return value.get(part)
        case list(), int() if 0 <= part < len(value):
            return value[part]
        case _:
            return None
