"""An event in the log is worth nothing if it can't be put together again."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.event_parts import PART_LIMIT, part_lines

STAMP = "2026-01-01T00:00:00Z"
PIPE_BUF = 4096
OPERATIONS = Path(__file__).resolve().parents[2] / "docs/operations.md"


def body_of(text: str) -> bytes:
    return orjson.dumps({"id": "e", "text": text})


@given(text=st.text(max_size=300).map(lambda text: text * 40))
def test_the_pieces_in_order_are_the_body(text: str) -> None:
    body = body_of(text)
    parts = [json.loads(line) for line in part_lines("e", body, STAMP)]

    assert "".join(part["json"] for part in parts).encode() == body
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
    assert {part["of"] for part in parts} == {len(parts)}


@pytest.mark.parametrize("character", ["a", '"', "\\", "\x00", "ü", "\u202e", "漢", "😀", "\U000e0001"], ids=ascii)
def test_a_part_is_short_enough_for_a_pipe_to_take_it_whole(character: str) -> None:
    """Pipes take at most 4 KiB at once: more may be torn, and half an event is none."""
    lines = list(part_lines("e" * 500, body_of(character * 20_000), STAMP))

    assert all(len(line) <= PART_LIMIT < PIPE_BUF for line in lines)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    assert len(lines) < 200


def test_an_id_of_any_text_leaves_room_for_the_event() -> None:
    body = body_of("x" * 1000)
    lines = list(part_lines("\U000e0001" * 100_000, body, STAMP))

    assert all(len(line) <= PART_LIMIT for line in lines)
    assert "".join(json.loads(line)["json"] for line in lines).encode() == body


def test_a_body_that_is_no_utf_8_is_told_as_far_as_it_is() -> None:
    pieces = "".join(json.loads(line)["json"] for line in part_lines("e", b'{"a":"' + b"\xff\x80" * 9000, STAMP))

    assert pieces.startswith('{"a":"\ufffd')


def script() -> str:
    found = re.search(r"```python\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    assert found
    return found[1]


def joined(log: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script()], input=log, capture_output=True, text=True, check=True)


def test_the_documented_script_puts_events_together_again() -> None:
    """Out of mixed logs of several replicas, twice written, with a runtime's own text before each line."""
    bodies = [body_of(character * 9000) for character in ("ü", '"', "\u202e")]
    lines = [line.decode() for body in [*bodies, bodies[0]] for line in part_lines("e", body, STAMP)]
    lines += ['{"event":"request_decided","part":1}\n', "no JSON {\n", "\n"]
    random.Random(7).shuffle(lines)  # noqa: S311 - an order, no secret
    found = joined("".join(f"2026-01-01T00:00:00Z stderr F {line}" for line in lines))

    assert sorted(found.stdout.splitlines()) == sorted(body.decode() for body in bodies)
    assert found.stderr == ""


def test_the_documented_script_says_what_is_incomplete() -> None:
    lines = [line.decode() for line in part_lines("event-1", body_of("x" * 9000), STAMP)]
    found = joined("".join(lines[1:]))

    assert found.stdout == ""
    assert "event-1" in found.stderr
