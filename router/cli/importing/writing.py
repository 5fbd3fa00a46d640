"""Writes YAML with comments. Pure.

PyYAML writes no comments, so this writes the little that a configuration needs: maps and lists in block style,
references in flow style, PEM as literal blocks, every other text in double quotes unless it is a plain word.
What is written is read back by `router.settings.reading` as the same data.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from router.settings.scalars import core_value
from router.text import escape_of, one_line

_WIDTH = 118
_AS_IT_STANDS = "  "
"""What comments begin with that people copy."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*", re.ASCII)
_BLOCK = re.compile(r"(?:[!-~][ -~]*\n)*[!-~][ -~]*\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class File:
    """A reference to a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A value with comments above it."""

    value: YamlTree
    comments: Sequence[str]


YamlTree: TypeAlias = "bool | int | str | File | Noted | Mapping[str, YamlTree] | Sequence[YamlTree]"


def yaml_text(tree: Mapping[str, YamlTree]) -> str:
    """The tree as YAML; an empty line parts the members at the top."""
    return "\n".join("\n".join(_members({key: value}, 0)) + "\n" for key, value in tree.items())


def _lines(value: YamlTree, indent: int) -> list[str] | None:
    """A map or a list that is not empty; None of anything else."""
    match value:
        case Mapping() if value:
            return list(_members(value, indent))
        case Sequence() if value and not isinstance(value, str):
            return list(_items(value, indent))
        case _:
            return None


def _members(tree: Mapping[str, YamlTree], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, noted in tree.items():
        value, comments = _parted(noted)
        yield from _commented(comments, pad)
        name = f"{pad}{_scalar(key)}:"
        if (lines := _lines(value, indent + 2)) is not None:
            yield name
            yield from lines
        elif isinstance(value, str) and _BLOCK.fullmatch(value):
            yield f"{name} |"
            yield from textwrap.indent(value, pad + "  ").splitlines()
        else:
            yield f"{name} {_scalar(value)}"


def _items(items: Sequence[YamlTree], indent: int) -> Iterator[str]:
    pad = " " * indent
    for noted in items:
        value, comments = _parted(noted)
        yield from _commented(comments, pad)
        if (lines := _lines(value, indent + 2)) is None:
            yield f"{pad}- {_scalar(value)}"
            continue
        first = next(number for number, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from (line[2:] for line in lines[:first])
        yield f"{pad}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]


def _parted(value: YamlTree) -> tuple[YamlTree, Sequence[str]]:
    return (value.value, value.comments) if isinstance(value, Noted) else (value, ())


def _commented(comments: Sequence[str], pad: str) -> Iterator[str]:
    for comment in comments:
        seen = one_line(comment)
        if seen.startswith(_AS_IT_STANDS):
            yield f"{pad}# {seen}"
            continue
        yield from textwrap.wrap(
            seen, _WIDTH, initial_indent=f"{pad}# ", subsequent_indent=f"{pad}#   ", break_on_hyphens=False
        )


def _scalar(value: YamlTree) -> str:
    match value:
        case bool() | int():
            return json.dumps(value)
        case File(path):
            return f"{{ file: {_scalar(path)} }}"
        case str():
            is_plain = _PLAIN.fullmatch(value) and core_value(value) == value
            return value if is_plain else one_line(json.dumps(value, ensure_ascii=False), escape_of)
        case Mapping():
            return "{}"
        case _:
            return "[]"
