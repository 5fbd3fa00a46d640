from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TooLargeError
from router.registry.answers import read_bounded


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
