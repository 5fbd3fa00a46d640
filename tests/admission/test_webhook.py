from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admission.webhook import Room, time_allowed


@pytest.mark.parametrize(
    ("timeout", "allowed"),
    [("10s", 8.0), ("5s", 4.5), ("1m0s", 8.0), ("500ms", 0.4), ("3.5s", 3.15), ("1s", 0.9), ("50ms", 0.0)],
)
def test_the_calls_own_timeout_shortens_the_deadline(timeout: str, allowed: float) -> None:
    """The API server gives up at its timeout; a tenth is kept for the way back."""
    assert time_allowed(timeout, 8.0) == pytest.approx(allowed)


@given(st.text(max_size=30))
def test_no_query_makes_a_deadline_longer(timeout: str) -> None:
    assert 0.0 <= time_allowed(timeout, 8.0) <= 8.0


async def test_room_is_given_in_the_order_of_asking() -> None:
    """A large body must not wait for ever behind small ones."""
    room = Room(10)
    await room.take(8)
    order: list[str] = []

    async def ask(name: str, size: int) -> None:
        await room.take(size)
        order.append(name)

    waiting = [asyncio.create_task(ask("large", 9)), asyncio.create_task(ask("small", 1))]
    await asyncio.sleep(0)
    assert order == []
    room.give_back(8)
    await asyncio.gather(*waiting)

    assert order == ["large", "small"]


async def test_who_gives_up_waiting_takes_no_room() -> None:
    room = Room(10)
    await room.take(10)
    waiting = asyncio.create_task(room.take(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    room.give_back(10)
    await asyncio.wait_for(room.take(10), 1)

    assert waiting.cancelled()


async def test_room_that_was_given_to_somebody_who_left_is_free_again() -> None:
    """Being let in and giving up can happen in the same turn of the loop."""
    room = Room(10)
    await room.take(10)
    waiting = asyncio.create_task(room.take(10))
    await asyncio.sleep(0)
    room.give_back(10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(room.take(10), 1)

    assert waiting.cancelled()
