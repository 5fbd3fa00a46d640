"""Going on where a mistake of ours would cost what was promised: it is logged, and something lesser is done instead.

Elsewhere a mistake ends what it breaks, up to the next boundary. This is for the few places that have no boundary above
them which keeps the promise: whoever calls says which promise it is. Nothing is hidden: the line has the traceback.
"""

from __future__ import annotations

from collections.abc import Callable
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


def nothing() -> None:
    """Is done where there is nothing to be done instead."""
