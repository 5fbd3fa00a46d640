"""Going on after a mistake of ours: something else is done, and the mistake can be seen."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from router.telemetry.going_on import awaited_or_else, or_else


def broken() -> str:
    raise LookupError("injected")


def test_what_does_not_fail_is_all_that_is_done() -> None:
    with capture_logs() as logged:
        assert or_else(lambda: "done", broken, "not_done") == "done"

    assert logged == []


def test_a_mistake_is_logged_with_its_traceback_and_something_else_is_done() -> None:
    with capture_logs() as logged:
        assert or_else(broken, lambda: "instead", "not_done", uid="u") == "instead"

    assert logged == [{"event": "not_done", "log_level": "error", "exc_info": True, "uid": "u"}]


def test_whoever_ends_us_is_not_held_up() -> None:
    def ended() -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        or_else(ended, lambda: "instead", "not_done")


async def test_the_same_holds_of_what_is_awaited() -> None:
    async def done() -> str:
        return "done"

    async def fails() -> str:
        return broken()

    with capture_logs() as logged:
        assert await awaited_or_else(done, fails, "not_done") == "done"
        assert logged == []
        assert await awaited_or_else(fails, done, "not_done", uid="u") == "done"

    assert logged == [{"event": "not_done", "log_level": "error", "exc_info": True, "uid": "u"}]


async def test_whoever_is_cancelled_while_he_waits_goes_on_with_nothing() -> None:
    begun, others = asyncio.Event(), list[str]()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def instead() -> None:
        others.append("done")

    task = asyncio.create_task(awaited_or_else(waits, instead, "not_done"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert others == []
