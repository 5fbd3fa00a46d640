"""How answers are gathered and shown at a terminal."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.asking.inquiring import AT_ONCE, in_order
from router.cli.exit_codes import worst
from router.cli.pages import WIDTH, Page, Progress, has_colour
from tests.verification.world import DATA, in_virtual_time


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


class Gone(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, _text: str) -> int:
        """Fails."""
        raise BrokenPipeError


def quiet() -> Progress:
    return Progress(1, "images", io.StringIO(), lambda: 0.0)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([1, 3], 1), ([3, 0, 3], 3)],
)
def test_what_is_wrong_wins_over_what_is_not_known(codes: list[int], expected: int) -> None:
    assert worst(codes) == expected


def test_answers_come_in_order_and_a_few_at_a_time() -> None:
    running, most = 0, 0

    async def ask(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(100 - number)
        running -= 1
        return -number

    async def scenario() -> list[int]:
        return [answer async for answer in in_order(range(30), ask, quiet())]

    assert in_virtual_time(scenario()) == [-number for number in range(30)]
    assert most == AT_ONCE


def test_what_is_raised_ends_everything_that_is_under_way() -> None:
    ended = []

    async def ask(number: int) -> int:
        try:
            await asyncio.sleep(number)
        finally:
            ended.append(number)
        raise ValueError("never mind")

    async def scenario() -> None:
        async for _ in in_order(range(1, 6), ask, quiet()):
            raise AssertionError

    with pytest.raises(ValueError, match="never mind"):
        in_virtual_time(scenario())

    assert sorted(ended) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_only_where_they_are_wanted(stream: io.StringIO, environment: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a case
    page = Page(stream, environment)
    page.line("verified", colour="good")

    assert has_colour(stream, environment) == expected
    assert stream.getvalue() == ("\x1b[32mverified\x1b[0m\n" if expected else "verified\n")


@given(st.lists(st.text(max_size=30), max_size=30).map(" ".join), st.integers(0, 8))
def test_lines_are_filled_and_printable_whatever_they_hold(text: str, indent: int) -> None:
    stream = io.StringIO()
    Page(stream, {}).line(text, indent)
    shown = stream.getvalue()

    assert shown.endswith("\n")
    assert shown.replace("\n", "").isprintable()
    assert all(len(line) <= WIDTH or " " not in line.strip() for line in shown.splitlines())


def test_a_word_is_never_broken_so_that_it_can_be_copied() -> None:
    stream = io.StringIO()
    command = f"cosign sign --key ... registry.example/{'a-long-name/' * 10}web@sha256:{'ab' * 32}"
    Page(stream, {}).line(f"what to do: {command}", 2)

    assert command.rsplit(maxsplit=1)[-1] in stream.getvalue()


def test_whoever_stops_reading_changes_no_exit_code() -> None:
    Page(Gone(), {}).line("a line")


def test_progress_begins_late_and_is_redrawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream, times = Terminal(), iter((0.0, 0.5, 1.1, 1.15, 1.3))
    progress = Progress(9, "images", stream, lambda: next(times))
    for count in range(1, 5):
        progress.done(count)
    progress.clear()

    assert stream.getvalue() == "\r2 of 9 images done\x1b[K\r4 of 9 images done\x1b[K\r\x1b[K"


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal() -> None:
    stream, times = io.StringIO(), iter((0.0, 0.5, 1.1, 5.0, 12.0))
    progress = Progress(9, "images", stream, lambda: next(times))
    for count in range(1, 5):
        progress.done(count)
    progress.clear()

    assert stream.getvalue() == "2 of 9 images done\n4 of 9 images done\n"


def test_whoever_closes_the_pipe_changes_no_exit_code() -> None:
    """`gatecrier verify ... | head -1` in a pipeline: the verdict is in the code."""
    command = [sys.executable, "-m", "router", "verify", "--key=" + str(DATA / "keys" / "release.pub"), "!!"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (1, b"")


def test_letters_that_a_terminal_does_not_have_are_escaped() -> None:
    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    Page(page, {}).line("caf\u00e9")
    page.seek(0)

    assert page.read() == "caf\\xe9\n"
