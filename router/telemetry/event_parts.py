"""An event whose last resort is the log, as numbered lines that are put together again.

Rules:
(1) Each line is a JSON object: `event` is `event_part`, `event_id` the event's id, `digest` the SHA-256 of the whole
    body, `part` counts from 1 to `of`, `json` is a piece of the body as text. The pieces, in order, are the body.
(2) A line is at most `PART_LIMIT` bytes. A pipe takes what is not longer than 4 KiB at once or not at all (PIPE_BUF,
    pipe(7)), so that no line is torn, whoever else writes there, and whenever the process is killed.
(3) The digest, not the id, says which parts belong together: the same event may be written twice, and the logs of
    several replicas may be mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from router.telemetry.line_forms import dumped

PART_LIMIT = 3 * 1024
"""Bytes of a line with its end."""
_ID_LIMIT = 200
_LARGEST_NUMBER = 99_999_999
_CONTINUES, _MASK = 0x80, 0xC0


def part_lines(event_id: str, body: bytes, stamp: str) -> Iterator[bytes]:
    """The lines, each with its end, made as they are asked for.

    Args:
        event_id: The event's id; cut to 200 characters, as every id of ours is shorter.
        body: The event as JSON.
        stamp: When it was to be written, RFC 3339.
    """
    digest = hashlib.sha256(body).hexdigest()
    frame = _line(event_id[:_ID_LIMIT], digest, stamp, (_LARGEST_NUMBER, _LARGEST_NUMBER), "")
    ends = list(_ends(body, PART_LIMIT - len(frame)))
    start = 0
    for number, end in enumerate(ends, 1):
        yield _line(event_id[:_ID_LIMIT], digest, stamp, (number, len(ends)), _text(body, start, end))
        start = end


def _line(event_id: str, digest: str, stamp: str, part: tuple[int, int], piece: str) -> bytes:
    line = {
        "event": "event_part",
        "level": "error",
        "timestamp": stamp,
        "event_id": event_id,
        "digest": digest,
        "part": part[0],
        "of": part[1],
        "json": piece,
    }
    return dumped(line) + b"\n"


def _ends(body: bytes, room: int) -> Iterator[int]:
    """Where each piece ends, so that its text takes at most so many bytes as part of a line."""
    start = 0
    while start < len(body):
        size = room
        while len(dumped(_text(body, start, end := _character_end(body, start, start + size)))) - 2 > room:
            size = size * 3 // 4
        yield end
        start = end


def _character_end(body: bytes, start: int, end: int) -> int:
    """The end, or up to three bytes before it, so that no character is cut."""
    if end >= len(body):
        return len(body)
    for before in range(end, max(start, end - 4), -1):
        if body[before] & _MASK != _CONTINUES:
            return before
    return end


def _text(body: bytes, start: int, end: int) -> str:
    return body[start:end].decode(errors="replace")
