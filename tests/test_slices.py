from __future__ import annotations

import asyncio

import pytest

from router import slices
from router.slices import OutOfTimeError, Slices
from router.steps import Steps


def steps(count: int) -> Steps[int]:
    for _ in range(count):
        yield
    return count


async def test_small_work_is_done_at_once_and_never_late() -> None:
    assert await Slices().run(steps(10), deadline=0.0) == 10


async def test_others_get_their_turns_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await Slices().run(steps(100), asyncio.get_running_loop().time() + 60)
    task.cancel()

    assert turns >= 50


async def test_however_much_long_work_there_is_what_is_short_waits_for_one_slice_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Forty bodies that take seconds to read held every other request for forty slices, ten times each."""
    monkeypatch.setattr(slices, "SLICE", 0.0)
    shared, done = Slices(), 0

    def long_work() -> Steps[None]:
        nonlocal done
        while True:
            done += 1
            yield

    deadline = asyncio.get_running_loop().time() + 60
    tasks = [asyncio.create_task(shared.run(long_work(), deadline)) for _ in range(40)]
    for _ in range(slices.AT_ONCE + 1):
        await asyncio.sleep(0)
    begun = done
    for _ in range(20):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()

    assert 40 * slices.AT_ONCE <= begun <= 40 * slices.AT_ONCE + 5
    assert 5 < done - begun <= 20


async def test_work_that_gets_no_turn_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    shared, time = Slices(), asyncio.get_running_loop().time

    def stuck() -> Steps[None]:
        while True:
            yield

    holder = asyncio.create_task(shared.run(stuck(), time() + 60))
    await asyncio.sleep(0)
    with pytest.raises(OutOfTimeError):
        await shared.run(stuck(), time() + 0.01)
    holder.cancel()

    with pytest.raises(asyncio.CancelledError):
        await holder


async def test_work_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    is_ended = False

    def endless() -> Steps[None]:
        nonlocal is_ended
        try:
            while True:
                yield
        finally:
            is_ended = True

    with pytest.raises(OutOfTimeError):
        await Slices().run(endless(), deadline=0.0)

    assert is_ended
