"""Trying again what may go well the second time, within the deadline.

Rules:

1. At most three attempts, and only after a `TransientError`.
2. Between them 50 to 200 ms, then 100 to 400 ms, by dice, so that callers that failed together do not return together.
3. `Retry-After` outranks our arithmetic, as a minimum.
4. Where the wait would end beyond the deadline, the error is raised at once: nobody waits for a foregone failure.

The first attempt is nearly always the last, and somebody waits for it: what would repeat it is made when it has failed,
and is told of that as of its first attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

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
    try:
        return await attempt()
    except TransientError as error:
        return await _repeatedly(attempt, error, deadline, surroundings)


async def _repeatedly(
    attempt: Callable[[], Awaitable[T]], failed: TransientError, deadline: float, surroundings: Surroundings
) -> T:
    first: TransientError | None = failed

    def wait(state: RetryCallState) -> float:
        scale = 2 ** (state.attempt_number - 1)
        ours: float = scale * (_LEAST + _SPREAD * surroundings.dice())
        cause = state.outcome.exception() if state.outcome is not None else None
        theirs = cause.after if isinstance(cause, TransientError) and cause.after is not None else 0.0
        return max(ours, theirs)

    attempts = stop_after_attempt(ATTEMPTS)

    def stop(state: RetryCallState) -> bool:  # tenacity's own stops have a clock of their own
        return attempts(state) or asyncio.get_running_loop().time() + state.upcoming_sleep >= deadline

    async def attempted() -> T:
        nonlocal first
        if first is not None:
            error, first = first, None
            raise error
        return await attempt()

    retrying = AsyncRetrying(
        sleep=surroundings.sleep,
        stop=stop,
        wait=wait,
        retry=retry_if_exception_type(TransientError),
        reraise=True,
    )
    try:
        return await retrying(attempted)
    except TransientError as last:
        raise last.error from last
