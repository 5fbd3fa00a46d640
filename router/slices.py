"""Runs work in slices, so that nobody else waits for it, and ends it at its deadline.

What is done within a few slices is done at once. Of what takes longer, one slice of one piece of work is done at a
time, in turn: however much of such work there is, what is short waits for one slice of it, not for one of each.

Used for whatever others choose: reviews and their objects, and the evidence of images.
"""

from __future__ import annotations

import asyncio
import time

from router.steps import Steps, T

SLICE = 0.01
"""Seconds of work after which others get a turn."""

AT_ONCE = 3
"""Slices that nobody waits in line for: what is short may take more than one where the machine is busy."""


class OutOfTimeError(Exception):
    """The work was not done at its deadline."""


class Slices:
    """Whoever shares these shares their turns."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Make a line; `at_once` slices of every piece of work are done without waiting in it."""
        self._turn = asyncio.Lock()
        self._at_once = at_once

    async def run(self, steps: Steps[T], deadline: float) -> T:
        """The result of the work; `deadline` is in the event loop's time.

        What is done within the first slice is never late; what is done within a few waits in no line.

        Raises:
            OutOfTimeError: It was not done in time; it ends there.
        """
        done: list[T] = []
        for _ in range(self._at_once):
            if _is_done(steps, done):
                return done[0]
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(0)
        try:
            while asyncio.get_running_loop().time() < deadline:
                async with asyncio.timeout_at(deadline):
                    await self._turn.acquire()
                try:
                    await asyncio.sleep(0)  # with the turn in hand: whoever else wants one waits
                    if _is_done(steps, done):
                        return done[0]
                finally:
                    self._turn.release()
        except TimeoutError as error:
            raise OutOfTimeError from error
        finally:
            steps.close()
        raise OutOfTimeError


def _is_done(steps: Steps[T], done: list[T]) -> bool:
    """Work for a slice; put the result into `done` where that ends it."""
    until = time.perf_counter() + SLICE
    try:
        while True:
            next(steps)
            if time.perf_counter() >= until:
                return False
    except StopIteration as end:
        done.append(end.value)
        return True
