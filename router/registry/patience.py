"""Trying again what may go well the second time, within the deadline.

Rules:

1. At most three attempts, and only after a `TransientError`.
2. Between them 50 to 200 ms, then 100 to 400 ms, by dice, so that callers that failed together do not return together.
3. `Retry-After` outranks our arithmetic, as a minimum.
4. Where the wait would end beyond the deadline, the error is raised at once: nobody waits for a foregone failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from router.registry.answers import TransientError
from router.registry.surroundings import Surroundings

ATTEMPTS = 3
_LEAST = 0.05
_SPREAD = 0.15

T = TypeVar("T")


async def patiently(attempt: Callable[[], Awaitable[T]], deadline: float, surroundings: Surroundings) -> T:
    """Make the attempt, and again while it fails transiently and time is left; `deadline` in the loop's clock.

    Raises:
        UnverifiableError: What the last TransientError holds.
    """
    made = 1
    while True:
        try:
            return await attempt()
        except TransientError as failed:
            ours = 2 ** (made - 1) * (_LEAST + _SPREAD * surroundings.dice())
            wait = max(ours, failed.after or 0.0)
            if made >= ATTEMPTS or asyncio.get_running_loop().time() + wait >= deadline:
                raise failed.error from failed
        made += 1
        await surroundings.sleep(wait)
