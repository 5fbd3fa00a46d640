"""Runs work in slices, so that nobody else waits for it, and ends it at its deadline."""

from __future__ import annotations

import asyncio
import time

from router.admission.reading.steps import Steps, T

SLICE = 0.01
"""Seconds of work after which others get a turn."""


class OutOfTimeError(Exception):
    """The work was not done at its deadline."""


async def in_slices(steps: Steps[T], deadline: float) -> T:
    """The result of the work; `deadline` is in the event loop's time.

    What is done within the first slice is never late.

    Raises:
        OutOfTimeError: It was not done in time; it ends there.
    """
    until = time.perf_counter() + SLICE
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if time.perf_counter() < until:
            continue
        if asyncio.get_running_loop().time() >= deadline:
            steps.close()
            raise OutOfTimeError
        await asyncio.sleep(0)
        until = time.perf_counter() + SLICE
