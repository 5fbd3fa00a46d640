"""Numbers of what is held, as runs of neighbours. Pure.

What is held lies at the front of what waits, and its numbers are mostly one after the other: so there are few places
between the runs, however many are held, and whoever looks there passes none that is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from heapq import merge
from typing import Final

LEAST: Final = -(2**53)
MOST: Final = 2**53
"""No number of an event is as small, or as great."""


class Runs:
    """A set of numbers."""

    def __init__(self) -> None:
        self._firsts = list[int]()
        self._lasts = list[int]()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._at(number) is not None

    def add(self, number: int) -> None:
        """Put a number in, unless it is there."""
        if self._at(number) is not None:
            return
        self._count += 1
        after = bisect_right(self._firsts, number)
        joins_before = after > 0 and self._lasts[after - 1] == number - 1
        joins_after = after < len(self._firsts) and self._firsts[after] == number + 1
        if joins_before and joins_after:
            self._lasts[after - 1] = self._lasts[after]
            del self._firsts[after], self._lasts[after]
        elif joins_before:
            self._lasts[after - 1] = number
        elif joins_after:
            self._firsts[after] = number
        else:
            self._firsts.insert(after, number)
            self._lasts.insert(after, number)

    def remove(self, number: int) -> None:
        """Take a number out, if it is there."""
        if (at := self._at(number)) is None:
            return
        self._count -= 1
        first, last = self._firsts[at], self._lasts[at]
        if first == last:
            del self._firsts[at], self._lasts[at]
        elif number == first:
            self._firsts[at] = number + 1
        elif number == last:
            self._lasts[at] = number - 1
        else:
            self._lasts[at] = number - 1
            self._firsts.insert(at + 1, number + 1)
            self._lasts.insert(at + 1, last)

    def runs(self) -> Sequence[tuple[int, int]]:
        """(first, last) of each run, in order."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def _at(self, number: int) -> int | None:
        before = bisect_right(self._firsts, number) - 1
        return before if before >= 0 and number <= self._lasts[before] else None


class RunsTogether:
    """What several hold together."""

    def __init__(self, of: Sequence[Runs]) -> None:
        self._of = of

    def __len__(self) -> int:
        return sum(map(len, self._of))

    def __contains__(self, number: object) -> bool:
        return any(number in runs for runs in self._of)

    def gaps(self) -> Sequence[tuple[int, int]]:
        """Everything else: (number before, number after) of each place between runs, in order."""
        found, before = list[tuple[int, int]](), LEAST
        for first, last in merge(*(runs.runs() for runs in self._of)):
            if first > before + 1:
                found.append((before, first))
            before = max(before, last)
        return [*found, (before, MOST)]
