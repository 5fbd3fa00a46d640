"""Frames arrive as they were sent, however the stream cuts them; what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ipc.frames import TOPIC_LIMIT, Frame, FrameError, FrameKind, FrameReader, encode

LIMIT = 10_000

frames = st.builds(
    Frame,
    st.sampled_from(FrameKind),
    st.integers(0, 2**64 - 1),
    st.text(st.characters(max_codepoint=127), max_size=TOPIC_LIMIT),
    st.binary(max_size=2000),
)


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 3000), max_size=20))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(sent: list[Frame], cuts: list[int]) -> None:
    """A stream knows no messages: bytes of several arrive at once, and of one in pieces."""
    stream = b"".join(map(encode, sent))
    reader = FrameReader(LIMIT)
    arrived: list[Frame] = []
    for cut in cuts:
        arrived += reader.feed(stream[:cut])
        stream = stream[cut:]
    arrived += reader.feed(stream)

    assert arrived == sent


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\x00\x00\x00\x00", id="too short for a head"),
        pytest.param((LIMIT + 1).to_bytes(4, "big"), id="longer than is allowed"),
        pytest.param(encode(Frame(FrameKind.NOTICE, 0, "", b"x")).replace(b"\x04", b"\x09", 1), id="of no kind"),
        pytest.param(b"\x00\x00\x00\x0a\x01" + bytes(8) + b"\xff", id="a topic beyond its end"),
        pytest.param(b"\x00\x00\x00\x0b\x01" + bytes(8) + b"\x01\xff", id="a topic beyond ASCII"),
    ],
)
def test_what_is_no_frame_is_refused(broken: bytes) -> None:
    """What follows a broken frame can't be trusted to begin where it seems to."""
    with pytest.raises(FrameError):
        list(FrameReader(LIMIT).feed(broken))
