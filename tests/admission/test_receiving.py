from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from router.admission.receiving import GRACE, RATE, SMALL, TINY, BodyRefusedError, Receiving, Room, Slots
from tests.patience import PATIENCE
from tests.simulators.virtual_time import virtually

MOST = 32 * 2**20


class Unlimited(BaseProtocol):
    """A connection that is never told to wait."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.transport = asyncio.Transport()

    def pause_reading(self) -> None:
        """Go on."""


def a_stream() -> StreamReader:
    return StreamReader(Unlimited(), 2**16, loop=asyncio.get_running_loop())


def within(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def refusal(work: Awaitable[object]) -> int:
    """The status that somebody gets."""
    with pytest.raises(BodyRefusedError) as raised:
        await work
    return raised.value.status


async def received(receiving: Receiving, content: StreamReader, length: int | None = None, peer: str = "a") -> bytes:
    body = receiving.body(length=length, most=MOST, peer=peer)
    try:
        return bytes(await body.received(content, within(8)))
    finally:
        body.let_go()


async def fed(content: StreamReader, sizes: list[int], pause: float = 0.0) -> None:
    for size in sizes:
        content.feed_data(b"x" * size)
        await asyncio.sleep(pause)
    content.feed_eof()


async def test_room_is_given_in_the_order_of_asking() -> None:
    """A large body must not wait for ever behind small ones."""
    room = Room(10, 0)
    await room.take(8, within(9), is_tiny=False)
    order: list[str] = []

    async def ask(name: str, size: int) -> None:
        await room.take(size, within(9), is_tiny=False)
        order.append(name)

    waiting = [asyncio.create_task(ask("large", 9)), asyncio.create_task(ask("small", 1))]
    await asyncio.sleep(0)
    assert order == []
    room.give_back(8)
    await asyncio.gather(*waiting)

    assert order == ["large", "small"]


async def test_some_room_is_kept_for_what_is_common() -> None:
    room = Room(10, 4)
    await room.take(6, within(9), is_tiny=False)

    assert not room.take_now(1, is_tiny=False)
    assert room.take_now(4, is_tiny=True)


async def test_who_gives_up_waiting_takes_no_room() -> None:
    room = Room(10, 0)
    await room.take(10, within(9), is_tiny=True)
    waiting = asyncio.create_task(room.take(10, within(9), is_tiny=True))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    room.give_back(10)

    assert waiting.cancelled()
    assert room.free == 10


async def test_room_that_was_given_to_somebody_who_left_is_free_again() -> None:
    """Being let in and giving up can happen in the same turn of the loop."""
    room = Room(10, 0)
    await room.take(10, within(9), is_tiny=True)
    waiting = asyncio.create_task(room.take(10, within(9), is_tiny=True))
    await asyncio.sleep(0)
    room.give_back(10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert room.free == 10


async def test_room_that_is_given_back_passes_over_somebody_who_is_just_leaving() -> None:
    """Else a deadline, or a client that goes away, becomes an error of ours, and what ends the request is lost."""
    room = Room(10, 0)
    await room.take(10, within(9), is_tiny=True)
    waiting = asyncio.create_task(room.take(10, within(9), is_tiny=True))
    await asyncio.sleep(0)
    waiting.cancel()
    room.give_back(10)
    await asyncio.gather(waiting, return_exceptions=True)

    assert waiting.cancelled()
    assert room.free == 10


def test_who_finds_no_room_until_the_deadline_is_sent_away() -> None:
    async def story() -> int:
        room = Room(10, 0)
        await room.take(10, within(9), is_tiny=True)
        return await refusal(room.take(1, within(2), is_tiny=True))

    assert virtually(story()) == 503


async def test_slots_go_round_the_peers() -> None:
    """Whoever sends sixty large bodies waits behind himself."""
    slots, order = Slots(1), list[str]()
    await slots.take("a")

    async def ask(peer: str) -> None:
        await slots.take(peer)
        order.append(peer)
        slots.give_back()

    waiting = [asyncio.create_task(ask(peer)) for peer in ("a", "a", "a", "b")]
    await asyncio.sleep(0)
    slots.give_back()
    await asyncio.gather(*waiting)

    assert order == ["a", "b", "a", "a"]


@pytest.mark.parametrize("is_let_in", [False, True])
async def test_a_slot_of_somebody_who_left_is_free_again(is_let_in: bool) -> None:  # noqa: FBT001 - a case
    slots = Slots(1)
    await slots.take("a")
    waiting = asyncio.create_task(slots.take("b"))
    await asyncio.sleep(0)
    if is_let_in:
        slots.give_back()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not is_let_in:
        slots.give_back()
    await asyncio.wait_for(slots.take("c"), PATIENCE)

    assert waiting.cancelled()


@pytest.mark.parametrize("sizes", [[], [5], [TINY, 1], [SMALL], [SMALL, 1], [2**20] * 5])
def test_a_body_comes_in_whole_and_everything_is_given_back(sizes: list[int]) -> None:
    async def story() -> tuple[int, int, int]:
        room, slots = Room(), Slots()
        receiving, content = Receiving(room, slots), a_stream()
        free = room.free
        feeding = asyncio.create_task(fed(content, sizes))
        body = await received(receiving, content, sum(sizes))
        await feeding
        await slots.take("x")
        await slots.take("x")
        return len(body), free, room.free

    length, free, free_again = virtually(story())

    assert length == sum(sizes)
    assert free == free_again


@pytest.mark.parametrize("length", [None, MOST + 1])
def test_a_body_beyond_the_limit_is_refused(length: int | None) -> None:
    async def story() -> int:
        content = a_stream()
        feeding = asyncio.create_task(fed(content, [2**20] * 33))
        status = await refusal(received(Receiving(), content, length))
        feeding.cancel()
        return status

    assert virtually(story()) == 413


@pytest.mark.parametrize("sizes", [[], [1000], [SMALL, 1000]])
def test_a_body_that_does_not_come_is_refused_soon_and_holds_nothing(sizes: list[int]) -> None:
    """Whoever promises 32 MiB and sends nothing must not stand in anybody's way."""

    async def story() -> tuple[int, float, bool]:
        room = Room()
        free = room.free
        content = a_stream()
        for size in sizes:
            content.feed_data(b"x" * size)
        status = await refusal(received(Receiving(room), content, 33_554_000))
        return status, asyncio.get_running_loop().time(), room.free == free

    status, at, is_free = virtually(story())

    assert (status, is_free) == (408, True)
    assert at <= GRACE + sum(sizes) / RATE + 0.01


def test_a_body_that_comes_fast_enough_is_taken_however_long_it_takes() -> None:
    async def story() -> int:
        content = a_stream()
        feeding = asyncio.create_task(fed(content, [RATE // 2] * 12, pause=0.5))
        body = await received(Receiving(), content)
        await feeding
        return len(body)

    assert virtually(story()) == RATE * 6


def test_many_promises_do_not_keep_a_large_body_waiting() -> None:
    """Room is taken as bytes arrive: sixty-four who send nothing hold neither room nor slot."""

    async def story() -> tuple[int, float]:
        receiving = Receiving()
        idle = [asyncio.create_task(refusal(received(receiving, a_stream(), MOST))) for _ in range(64)]
        content = a_stream()
        feeding = asyncio.create_task(fed(content, [2**20] * 2))
        body = await received(receiving, content, 2 * 2**20)
        at = asyncio.get_running_loop().time()
        await asyncio.gather(*idle, feeding)
        return len(body), at

    assert virtually(story()) == (2 * 2**20, 0.0)


def test_bodies_that_came_half_way_do_not_wait_for_the_room_of_each_other() -> None:
    """They all stood still until the deadline: each had some of the room, and none had enough."""

    async def all_come() -> tuple[float, set[bytes], int]:
        room, size, many = Room(1_000_000, 0), 90_000, 40
        receiving, bodies = Receiving(room), [a_stream() for _ in range(many)]
        began = asyncio.get_running_loop().time()
        feeding = [asyncio.create_task(fed(content, [10_000] * 9, 0.001)) for content in bodies]
        came = await asyncio.gather(*(received(receiving, content, size) for content in bodies))
        await asyncio.gather(*feeding)
        return asyncio.get_running_loop().time() - began, set(came), room.free

    took, came, free = virtually(all_come())
    assert took < 1
    assert came == {b"x" * 90_000}
    assert free == 1_000_000


def test_whoever_stops_half_way_gives_his_slot_to_the_next() -> None:
    async def story() -> tuple[int, list[int]]:
        receiving, stalled = Receiving(), list[Awaitable[int]]()
        for _ in range(4):
            content = a_stream()
            content.feed_data(b"x" * (SMALL + 1))
            stalled.append(asyncio.create_task(refusal(received(receiving, content, MOST, peer="b"))))
        await asyncio.sleep(0)
        content = a_stream()
        feeding = asyncio.create_task(fed(content, [2**20] * 2))
        body = await received(receiving, content, 2 * 2**20)
        await feeding
        return len(body), [await one for one in stalled]

    assert virtually(story()) == (2 * 2**20, [408] * 4)


def test_a_body_that_breaks_off_is_refused_and_gives_its_room_back() -> None:
    async def story() -> tuple[int, bool]:
        room = Room()
        free = room.free
        content = a_stream()
        content.feed_data(b"x")
        content.set_exception(ConnectionResetError())
        return await refusal(received(Receiving(room), content)), room.free == free

    assert virtually(story()) == (400, True)


def test_what_is_held_is_given_back_once() -> None:
    async def story() -> tuple[bool, bool]:
        room = Room()
        free = room.free
        content = a_stream()
        await fed(content, [1000])
        body = Receiving(room).body(length=1000, most=MOST, peer="a")
        await body.received(content, within(8))
        held = room.free == free - 1000
        body.let_go()
        body.let_go()
        return held, room.free == free

    assert virtually(story()) == (True, True)


async def test_who_would_wait_with_too_much_in_memory_finds_no_room() -> None:
    """Hundreds of requests of a thousand images each waited with all of them in memory: half a gigabyte."""
    room = Room(0, 0, most_waiting=10)
    deadline = asyncio.get_running_loop().time() + 60
    waiting = asyncio.create_task(room.take(6, deadline, is_tiny=False))
    await asyncio.sleep(0)

    with pytest.raises(BodyRefusedError):
        await room.take(5, deadline, is_tiny=False)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
