from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from router.assembly.tending import Tending


async def ends() -> None:
    """Do nothing."""


async def breaks() -> None:
    """Fail."""
    raise RuntimeError("broken")


async def lasts() -> None:
    """Go on for ever."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("work", [ends, breaks])
async def test_a_task_that_must_last_is_missed_however_it_ends(work: Callable[[], Coroutine[None, None, None]]) -> None:
    tending = Tending()
    tending.keep("sweep", work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert "sweep" in tending.failure


async def test_a_task_that_somebody_cancels_is_missed_too() -> None:
    tending = Tending()
    tending.keep("sweep", lasts())
    await asyncio.sleep(0)
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "sweep")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)

    assert "sweep" in tending.failure


async def test_a_task_that_may_end_fails_by_an_error_only() -> None:
    """A reload that breaks in the middle has left something half done."""
    good, bad = Tending(), Tending()
    good.let_end("close", ends())
    bad.let_end("reload", breaks())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not good.failure
    assert "reload" in bad.failure


async def test_the_first_failure_stays() -> None:
    tending = Tending()
    tending.keep("first", ends())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tending.keep("second", ends())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert tending.failure.endswith("first")


async def test_what_ends_at_the_end_is_no_failure() -> None:
    tending = Tending()
    tending.keep("sweep", lasts())
    await asyncio.sleep(0)
    await tending.close()

    assert not tending.failure
