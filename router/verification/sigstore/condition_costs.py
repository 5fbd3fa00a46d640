"""What it may cost at most to ask an expression in CEL about some data, known before it is asked. Pure.

The implementation counts the steps of loops and ends at ten thousand, but a step may look at all of the data: what is
attested may be a mebibyte, and is often made of what strangers wrote. So, in units of about a byte (some nanoseconds):

(1) Outside of loops an expression looks at what it names as often as it does. Where texts or lists are put together
    (`+`), once more for each.
(2) A loop (`all`, `exists`, `exists_one`, `map`, `filter`) costs its steps times what each may look at: whatever its
    body names of `predicate` and `subject`, and for a loop in a loop the largest element that there is. An element of
    the loop itself is free: all elements together are no more than the data.
(3) Steps are at most the largest number of entries, to the power of how deep loops stand in each other.
(4) To look for one text of the data in another (`contains`) takes the product of both.
(5) The expression of `matches` must be written out: one from the data would be chosen by whoever attests, and takes a
    millisecond to compile each time.

This is a bound and no estimate: what is dear by it may be cheap, what is cheap by it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

COST_LIMIT = 200_000_000
"""Less than a second or two of one processor."""
STEP_LIMIT = 10_000
"""Steps of loops, after which the implementation itself gives up."""
_ENTRY = 16
"""What an entry of a list or map costs besides its content."""
_MATCHING = 16
"""How much dearer a character is to an expression of `matches`."""
_LOOKING = 400
"""How much cheaper the product of two texts is than a character."""

_RAW = r"""(?:r|rb|br)(?:'''.*?'''|\"{3}.*?\"{3}|'[^'\n]*'|"[^"\n]*")"""
_WITH_ESCAPES = r"""b?(?:'''(?:\\.|[^\\])*?'''|\"{3}(?:\\.|[^\\])*?\"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_NO_CODE = re.compile(rf"(?is){_RAW}|{_WITH_ESCAPES}|(?P<comment>//[^\n]*)")
"""Literals and comments: what stands in them is no part of the expression's shape."""
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_CALL = re.compile(r"\b(contains|matches)\s*\(\s*(\"\"\s*\))?")
_ROOT = re.compile(r"(?<!\w)(predicate_type|predicate|subject)\b((?:\s*\.\s*[A-Za-z_]\w*)*)")
"""What looks like a variable. A member of this name is taken for one, too, which makes the bound larger."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an expression does that may be dear."""

    loops: int
    depth: int
    """How many of them stand in each other."""
    names: int
    """How often a variable is named."""
    looked_at: tuple[tuple[str, ...], ...]
    """Paths, from a variable on, that are named within loops."""
    sums: int
    """How often `+` stands there."""
    entries: int
    """Entries of lists that are written out, at most."""
    looks_for_data: bool
    """Whether a text of the data is looked for in another."""
    matches: bool

    @classmethod
    def of(cls, written: str) -> Cost:
        """Raises ValueError where what it costs depends on what is attested alone (5)."""
        text = _NO_CODE.sub(lambda found: " " if found["comment"] else '""', written)
        calls = [(found[1], found[2] is not None) for found in _CALL.finditer(text)]
        if ("matches", False) in calls:
            raise ValueError("the expression of matches() is not written out: whoever attests would choose it")
        bodies = list(_bodies(text))
        return cls(
            len(bodies),
            max((depth for depth, _ in bodies), default=0),
            len(_ROOT.findall(text)),
            tuple(
                (found[1], *re.findall(r"\w+", found[2]))
                for depth, body in bodies
                if depth == 1
                for found in _ROOT.finditer(body)
            ),
            text.count("+"),
            text.count(","),
            ("contains", False) in calls,
            ("matches", True) in calls,
        )

    def about(self, data: Mapping[str, object]) -> int:
        """An upper bound of what it takes to ask this about the data."""
        measured = _Measured()
        whole = measured.size(data) * (1 + self.names) * (1 + self.sums)
        looking = measured.longest**2 // _LOOKING if self.looks_for_data else 0
        if not self.depth:
            return whole + looking
        entries = max(measured.entries, self.entries)
        steps = STEP_LIMIT if self.sums else min(STEP_LIMIT, self.loops * entries**self.depth)
        each = sum(_Measured().size(_at(data, path)) for path in self.looked_at)
        each += (self.depth - 1) * measured.largest + looking
        return whole + steps * each * (_MATCHING if self.matches else 1)


_HOLDS_NOTHING = frozenset({int, float, bool, type(None)})


@dataclass(slots=True)
class _Measured:
    """What was seen of some data."""

    entries: int = 0
    """The most entries that a list or map has."""
    largest: int = 0
    """The largest element of a list, or name in a map: what a loop takes one by one."""
    longest: int = 0
    """The longest text."""

    def size(self, data: object) -> int:
        """Its size. Without recursion, since others choose how deep it is."""
        values: list[object] = [data]
        holders = [(0, False)]
        """For each value which one holds it, and whether that is a list."""
        sizes: list[int] = []
        for index, value in enumerate(values):  # which grows meanwhile
            sizes.append(_ENTRY)
            if type(value) in _HOLDS_NOTHING:
                continue  # most of what there is
            if isinstance(value, str):
                sizes[index] += len(value)
                self.longest = max(self.longest, len(value))
            elif isinstance(value, list):
                self.entries = max(self.entries, len(value))
                values += value
                holders += [(index, True)] * len(value)
            elif isinstance(value, Mapping):
                names = [len(name) for name in value]
                sizes[index] += sum(names)
                self.entries = max(self.entries, len(names))
                self.largest = max([self.largest, *names])
                values += value.values()
                holders += [(index, False)] * len(names)
        for index in range(len(values) - 1, 0, -1):  # whatever is held comes after what holds it
            holder, is_element = holders[index]
            sizes[holder] += sizes[index]
            if is_element and sizes[index] > self.largest:
                self.largest = sizes[index]
        return sizes[0]


def _bodies(text: str, depth: int = 1) -> Iterator[tuple[int, str]]:
    """The arguments of each loop, and how deep it stands in others, from 1."""
    position = 0
    while (found := _LOOP.search(text, position)) is not None:
        end = _closing(text, found.end())
        body = text[found.end() : end]
        yield depth, body
        yield from _bodies(body, depth + 1)
        position = end


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that was opened before `start` is closed; the end where it is not."""
    opened = 1
    for found in re.finditer(r"[()]", text[start:]):
        opened += 1 if found[0] == "(" else -1
        if not opened:
            return start + found.start()
    return len(text)


def _at(data: object, path: tuple[str, ...]) -> object:
    """What stands there; where a name leads to nothing (a call, a list), what stands before it."""
    for name in path:
        if not isinstance(data, Mapping) or name not in data:
            return data
        data = data[name]
    return data
