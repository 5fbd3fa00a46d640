from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TooLargeError
from router.registry.answers import BodyRoom, read_bounded


class Chunks:
    """A stream that gives these chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.left = [chunk for chunk in chunks if chunk]
        self.given = 0

    async def readany(self) -> bytes:
        """Give the next chunk, and nothing at the end."""
        if not self.left:
            return b""
        chunk = self.left.pop(0)
        self.given += len(chunk)
        return chunk


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 100))
async def test_a_body_is_whole_or_refused(chunks: list[bytes], limit: int) -> None:
    stream, whole = Chunks(chunks), b"".join(chunks)

    if len(whole) <= limit:
        assert await read_bounded(stream.readany, None, limit, "it") == whole
    else:
        with pytest.raises(TooLargeError):
            await read_bounded(stream.readany, None, limit, "it")
        assert stream.given <= limit + 20


async def test_what_is_declared_has_its_room_before_anything_is_read() -> None:
    room, stream = BodyRoom(10, 100), Chunks([b"x" * 6])

    with pytest.raises(TooLargeError):
        await read_bounded(stream.readany, "11", room, "it")
    assert (stream.given, room.left, room.was_too_small) == (0, 10, True)

    await read_bounded(stream.readany, "6", room, "it")
    assert room.left == 4


async def test_what_does_not_come_whole_gives_its_room_back() -> None:
    room = BodyRoom(10, 100)

    async def broken() -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_bounded(broken, "10", room, "it")
    with pytest.raises(TooLargeError):
        await read_bounded(Chunks([b"x" * 6, b"x" * 6]).readany, None, room, "it")
    assert room.left == 10


@given(st.lists(st.lists(st.binary(max_size=20), max_size=4), max_size=6), st.integers(0, 100))
async def test_bodies_that_share_a_room_are_no_more_than_it(bodies: list[list[bytes]], size: int) -> None:
    room, came = BodyRoom(size, 100), 0
    for chunks in bodies:
        whole = sum(map(len, chunks))
        if whole <= size - came:
            came += len(await read_bounded(Chunks(chunks).readany, None, room, "it"))
        else:
            with pytest.raises(TooLargeError):
                await read_bounded(Chunks(chunks).readany, None, room, "it")
    assert room.left == size - came
