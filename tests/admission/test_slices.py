from __future__ import annotations

import asyncio

import pytest

from router.admission import slices
from router.admission.reading.steps import Steps
from router.admission.slices import OutOfTimeError, in_slices


def steps(count: int) -> Steps[int]:
    for _ in range(count):
        yield
    return count


async def test_small_work_is_done_at_once_and_never_late() -> None:
    assert await in_slices(steps(10), deadline=0.0) == 10


async def test_others_get_their_turns_between_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 0.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await in_slices(steps(100), asyncio.get_running_loop().time() + 60)
    task.cancel()

    assert turns >= 50


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
        await in_slices(endless(), deadline=0.0)

    assert is_ended
