"""Work that may be laid down at any `yield`. Pure.

A piece of work over bytes that others chose is a generator: between two yields it does little (at most about a
millisecond), so that whoever runs it decides when others get a turn and when time is up. It returns its result.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Work that returns a T, in steps."""


class TooManyStepsError(ValueError):
    """The work takes more steps than there is time for at once."""


def finish(steps: Steps[T], most: int | None = None) -> T:
    """Do all of it at once, for whoever need not lay it down.

    Args:
        steps: The work.
        most: How many times it may want to be laid down; None: as often as it likes.

    Raises:
        TooManyStepsError: It wants to be once more; it ends there.
    """
    try:
        for _ in itertools.count() if most is None else range(most + 1):
            next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise TooManyStepsError
