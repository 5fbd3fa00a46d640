"""Work that may be laid down at any `yield`. Pure.

A piece of work over bytes that others chose is a generator: between two yields it does little (at most about a
millisecond), so that whoever runs it decides when others get a turn and when time is up. It returns its result.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Work that returns a T, in steps."""


def finish(steps: Steps[T]) -> T:
    """Do all of it at once, for whoever need not lay it down."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
