from __future__ import annotations

import asyncio

import pytest

from router.outbound.time_limits import TimeLimits

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


async def test_each_is_ended_at_an_end_of_its_own_whoever_came_first() -> None:
    limits = TimeLimits()

    late, soon, between, done, before = await asyncio.gather(
        *(ended_after(limits, seconds) for seconds in (0.4, 0.05, 0.2)),
        ended_after(limits, LONG, wait=0.0),
        ended_after(limits, -1.0),
    )

    assert done is None
    ends = [round(one, 2) for one in (before, soon, between, late) if one is not None]
    assert len(ends) == 4
    assert ends[0] < 0.05 <= ends[1] < 0.2 <= ends[2] < 0.4 <= ends[3] < LONG


async def test_who_follows_one_that_was_done_in_time_is_ended_at_his_own_end() -> None:
    limits = TimeLimits()

    assert await ended_after(limits, 0.05, wait=0.0) is None
    ended = await ended_after(limits, 0.1)

    assert ended is not None
    assert round(ended, 2) >= 0.1


async def test_who_is_done_is_not_ended_later() -> None:
    limits = TimeLimits()
    with limits.until(asyncio.get_running_loop().time() + 0.01):
        pass

    await asyncio.sleep(0.05)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_who_is_cancelled_by_somebody_else_stays_so() -> None:
    limits = TimeLimits()

    async def cancelled_twice() -> None:
        with limits.until(asyncio.get_running_loop().time() + 0.01):
            try:
                await asyncio.sleep(LONG)
            finally:
                task.cancel()  # while it is being ended

    task = asyncio.create_task(cancelled_twice())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_is_no_timeout() -> None:
    task = asyncio.create_task(ended_after(TimeLimits(), LONG))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_fails_so_even_where_it_is_ended() -> None:
    async def failing() -> None:
        with TimeLimits().until(asyncio.get_running_loop().time() + 0.01):
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError as error:
                raise ValueError("it") from error

    with pytest.raises(ValueError, match="it"):
        await failing()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_one_within_another_ends_alone() -> None:
    limits, clock = TimeLimits(), asyncio.get_running_loop().time
    with limits.until(clock() + LONG):
        assert await ended_after(limits, 0.01) is not None
        await asyncio.sleep(0)
