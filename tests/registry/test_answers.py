from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TooLargeError
from router.registry.answers import read_bounded, retry_after
from tests.registry.stage import WALL


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
        assert await read_bounded(stream, None, limit, "it") == whole
    else:
        with pytest.raises(TooLargeError):
            await read_bounded(stream, None, limit, "it")
        assert stream.given <= limit + 20


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 40, 1e9),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Tue, 14 Nov 2023 22:13:50 -0000", 30.0),
        ("Tue, 14 Nov 99999 22:13:50 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, expected: float | None) -> None:
    assert retry_after(value, WALL) == expected


@given(st.text(max_size=40) | st.text("0123456789,: GMTNov+-", max_size=40))
def test_no_retry_after_crashes_the_reader(value: str) -> None:
    seconds = retry_after(value, WALL)

    assert seconds is None or seconds >= 0


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_as_far_as_it_says(seconds: int) -> None:
    date = format_datetime(datetime.fromtimestamp(WALL + seconds, UTC), usegmt=True)

    assert retry_after(date, WALL) == max(0, seconds)
