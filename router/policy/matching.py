r"""The first of some globs that matches a text, without trying one after the other. Pure.

Rules:
(1) Globs mean what `router.policy.glob` says; each may be followed by an ending, a regular expression of our own.
(2) The question "does any of these match?" is one regular expression for RE2, which reads a text once, whatever the
    expression, and has no way to blow up. A binary search asks it of halves of halves, so that n globs take about
    log2 n questions. (RE2's `Set` tells in one question which of them match, but has a state for every *combination*
    of them: a name with many of forty teams in it cost it 2.4 ms, and costs 0.02 ms here.)
(3) Wildcards that begin or end many globs stand in the expression once (`X*(?:one|other)Y*`): a state is then about
    what was read last, not about which of the globs have been met before.
(4) An expression has a bound of memory for the states that it keeps. Beyond it RE2 forgets them, and works on without
    keeping any where that does not pay: slower, never wrong. It can't "not match" for want of memory.
(5) No text is syntax: whatever is no wildcard is quoted by RE2's own `escape`. Texts must have no space, since no
    wildcard matches one: endings begin with it.

google-re2 has no type information: nothing of it leaves this module untyped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import re2  # type: ignore[import-untyped]  # neither google-re2 nor anybody else publishes its types

from router.text import shown

Shape: TypeAlias = tuple[str, str]
"""A glob, and the regular expression of what must follow it."""

MEMORY = 64 * 1024
"""Bytes that one expression may take at most, program and states, plus `MEMORY_PER_CHARACTER`."""
MEMORY_PER_CHARACTER = 512
"""Bytes more for each character of the expression."""
_MOST_MEMORY = 1 << 30
_PART, _ANY = r"[^/ ]*", r"[^ ]*"
_STARS = ("", _PART, _ANY)


class FirstMatch:
    """Shapes in order; finds the first that matches a whole text."""

    __slots__ = ("_count", "_matches")

    def __init__(self, shapes: Sequence[Shape], memory: int | None = None) -> None:
        """Compile; raises ValueError where a shape is beyond what RE2 takes.

        `memory` is for each expression, instead of what its length asks for; where it does not suffice for the program
        it is doubled until it does.
        """
        self._count = len(shapes)
        self._matches: dict[tuple[int, int], Callable[[bytes], object]] = {}
        if shapes:
            for low, high in _questions(len(shapes)):
                self._matches[low, high] = _compiled(_any_of(shapes[low:high]), memory)
        re2.purge()  # it remembers expressions by itself, for longer than they are in force

    def find(self, text: str) -> int | None:
        """The index of the first shape that matches the whole text, or None."""
        low, high = 0, self._count
        if not high:
            return None
        content = text.encode("utf-8", "replace")
        if self._matches[low, high](content) is None:
            return None
        while high - low > 1:  # one of shapes[low:high] matches, and none before
            middle = (low + high) // 2
            if self._matches[low, middle](content) is None:
                low = middle
            else:
                high = middle
        return low


def _questions(count: int) -> Iterator[tuple[int, int]]:
    """Every range that the search can ask about."""
    yield 0, count
    ranges = [(0, count)]
    while ranges:
        low, high = ranges.pop()
        middle = (low + high) // 2
        if high - low > 1:
            yield low, middle
            ranges += [(low, middle), (middle, high)]


def _any_of(shapes: Sequence[Shape]) -> str:
    """The expression that matches what any of them does (rule 3)."""
    cores: dict[tuple[str, str], list[str]] = {}
    for glob, ending in shapes:
        begin, core = _first_wildcard(glob)
        end, core = _last_wildcard(core)
        cores.setdefault((begin, end + ending), []).append(expression(core))
    return "|".join(f"{begin}(?:{'|'.join(found)}){end}" for (begin, end), found in cores.items())


def _first_wildcard(glob: str) -> tuple[str, str]:
    """The wildcard that a glob begins with, as an expression, and the rest of the glob."""
    stars = len(glob) - len(glob.lstrip("*"))
    return _STARS[min(stars, 2)], glob[stars:]


def _last_wildcard(glob: str) -> tuple[str, str]:
    """The same for its end."""
    rest = glob.rstrip("*")
    return _STARS[min(len(glob) - len(rest), 2)], rest


def expression(glob: str) -> str:
    """A glob as a regular expression."""
    parts = (_PART.join(map(_quoted, part.split("*"))) for part in glob.split("**"))
    return _ANY.join(parts)


def _quoted(text: str) -> str:
    quoted: str = re2.escape(text)
    return quoted


def _compiled(expression: str, memory: int | None) -> Callable[[bytes], object]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # of bytes: whatever a text holds, it can be read
    options.never_capture, options.log_errors = True, False
    options.max_mem = memory or MEMORY + MEMORY_PER_CHARACTER * len(expression)
    while True:
        try:
            matches: Callable[[bytes], object] = re2.compile(expression.encode(), options).fullmatch
        except re2.error as error:
            options.max_mem *= 2
            if options.max_mem > _MOST_MEMORY:
                raise ValueError(f"{shown(expression, 100)} and so on can't be matched: {error}") from error
        else:
            return matches
