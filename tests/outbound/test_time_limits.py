from __future__ import annotations

import asyncio

import pytest

from router.outbound.time_limits import TimeLimits
from tests.simulators.virtual_time import virtually

LONG = 30.0


async def ended_after(limits: TimeLimits, seconds: float, wait: float = LONG) -> float | None:
    """Seconds after which it was ended; None where it was done before."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        with limits.until(began + seconds):
            await asyncio.sleep(wait)
    except TimeoutError:
        return clock() - began
    return None


def now() -> float:
    return asyncio.get_running_loop().time()


def cancellations() -> int:
    """How many the task that asks has still before it."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


def test_each_is_ended_at_an_end_of_its_own_whoever_came_first() -> None:
    async def story() -> list[float | None]:
        limits = TimeLimits()
        return await asyncio.gather(
            *(ended_after(limits, seconds) for seconds in (4.0, 1.0, 2.0)),
            ended_after(limits, LONG, wait=0.0),
            ended_after(limits, -1.0),
        )

    assert virtually(story()) == [4.0, 1.0, 2.0, None, 0.0]


def test_who_follows_one_that_was_done_in_time_is_ended_at_his_own_end() -> None:
    async def story() -> list[float | None]:
        limits = TimeLimits()
        return [await ended_after(limits, seconds, wait) for seconds, wait in ((1.0, 0.5), (2.0, LONG), (1.0, LONG))]

    assert virtually(story()) == [None, 2.0, 1.0]


def test_who_is_done_is_not_ended_later() -> None:
    async def story() -> int:
        with TimeLimits().until(now() + 1.0):
            pass
        await asyncio.sleep(LONG)
        return cancellations()

    assert virtually(story()) == 0


def test_who_is_cancelled_by_somebody_else_stays_so() -> None:
    async def cancelled_twice() -> None:
        task = asyncio.current_task()
        assert task is not None
        with TimeLimits().until(now() + 1.0):
            try:
                await asyncio.sleep(LONG)
            finally:
                task.cancel()  # while it is being ended

    async def story() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(cancelled_twice())

    virtually(story())


def test_a_cancellation_is_no_timeout() -> None:
    async def story() -> None:
        task = asyncio.create_task(ended_after(TimeLimits(), LONG))
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(story())


def test_what_fails_fails_so_even_where_it_is_ended() -> None:
    async def failing() -> None:
        with TimeLimits().until(now() + 1.0):
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError as error:
                raise ValueError("it") from error

    async def story() -> int:
        with pytest.raises(ValueError, match="it"):
            await failing()
        return cancellations()

    assert virtually(story()) == 0


def test_one_within_another_ends_alone() -> None:
    async def story() -> tuple[float | None, int]:
        limits = TimeLimits()
        with limits.until(now() + LONG):
            return await ended_after(limits, 1.0), cancellations()

    assert virtually(story()) == (1.0, 0)
