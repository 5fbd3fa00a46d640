"""Frames: how messages lie on a stream between two processes of ours. Pure.

A frame is a head of 14 bytes, the name of its topic, and its body:

    4  bytes of all that follows these four     big-endian, as all numbers here
    1  what it is: Kind
    8  number of the question: chosen by who asks, repeated by who answers; 0 for a notice
    1  bytes of the topic, which is ASCII; 0 in an answer
    -  topic
    -  body: whatever the topic says

Whoever speaks here is a process of ours. A frame that breaks these rules or is larger than its reader allows is
therefore a defect (FrameError), and ends the connection: what follows it can't be trusted to begin where it seems to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct(">IBQB")
_LENGTH = 4
_REST_OF_HEAD = _HEAD.size - _LENGTH
TOPIC_LIMIT = 255
"""Bytes of a topic."""


class FrameError(Exception):
    """Bytes are no frame; never leaves this package."""


class FrameKind(IntEnum):
    """What a frame is."""

    QUESTION = 1
    """Wants an answer."""
    ANSWER = 2
    REFUSAL = 3
    """The answer to a question that could not be answered: its body is why, for people."""
    NOTICE = 4
    """Wants none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: FrameKind
    number: int
    topic: str
    body: bytes


def encode(frame: Frame) -> bytes:
    """The frame as bytes."""
    topic = frame.topic.encode("ascii")
    return (
        _HEAD.pack(_REST_OF_HEAD + len(topic) + len(frame.body), frame.kind, frame.number, len(topic))
        + topic
        + frame.body
    )


class FrameReader:
    """Takes bytes as they come and gives frames as they are complete.

    Args:
        limit: Bytes that one frame may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes; raises FrameError where something is none."""
        held = self._held
        held += data
        start = 0
        try:
            while len(held) - start >= _LENGTH:
                end = start + _LENGTH + int.from_bytes(held[start : start + _LENGTH], "big")
                if not _HEAD.size <= end - start <= self._limit:
                    raise FrameError(f"a frame of {end - start} bytes")
                if len(held) < end:
                    break
                frame = _read(held, start, end)
                start = end
                yield frame
        finally:
            del held[:start]


def _read(held: bytearray, start: int, end: int) -> Frame:
    _, kind, number, topic_length = _HEAD.unpack_from(held, start)
    body = start + _HEAD.size + topic_length
    if body > end:
        raise FrameError("a topic that is longer than its frame")
    try:
        return Frame(FrameKind(kind), number, held[start + _HEAD.size : body].decode("ascii"), bytes(held[body:end]))
    except ValueError as error:  # UnicodeDecodeError is one
        raise FrameError("a frame of no known kind, or a topic that is not ASCII") from error
