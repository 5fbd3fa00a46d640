"""Going on where a mistake of ours would cost what was promised: it is logged, and something lesser is done instead.

Elsewhere a mistake ends what it breaks, up to the next boundary. This is for the few places that have no boundary above
them which keeps the promise: whoever calls says which promise it is. Nothing is hidden: the line has the traceback.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from router.telemetry.logs import logger

log = logger()
T = TypeVar("T")


def or_else(do: Callable[[], T], instead: Callable[[], T], mistake: str, **about: object) -> T:
    """What `do` returns; where it fails, what `instead` returns.

    Args:
        do: What is to be done.
        instead: What is done then; may fail.
        mistake: Name of the line of the log about it.
        about: Values of that line.
    """
    try:
        return do()
    except Exception:  # whoever calls has no boundary that keeps his promise
        log.exception(mistake, **about)
        return instead()


async def awaited_or_else(
    do: Callable[[], Awaitable[T]], instead: Callable[[], Awaitable[T]], mistake: str, **about: object
) -> T:
    """The same of what is awaited. Being cancelled is no mistake: nothing is done instead."""
    try:
        return await do()
    except Exception:  # as above, for tasks that would end without anybody to notice
        log.exception(mistake, **about)
        return await instead()


def nothing() -> None:
    """Is done where there is nothing to be done instead."""
