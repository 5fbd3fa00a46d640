"""What is shown on standard output, and how far a long piece of work is.

Rules:
(1) What others wrote is shown on one line, with escapes for whatever could steer a terminal
    (`router.text`).
(2) Lines are filled up to 80 columns, and never broken within a word: names, digests and commands can be copied.
(3) Colour only on a terminal that has it, and where NO_COLOR is not set (no-color.org).
(4) Progress goes to standard error, begins when the work has taken a second, and is redrawn on a terminal; elsewhere
    it is a line every ten seconds.
(5) Whoever stops reading ends the output, not the work's exit code; what goes on without end looks at `is_read`.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from router.text import cut, one_line

WIDTH = 80
PARAGRAPH_LIMIT = 8192
"""Characters of a paragraph."""
_COLOURS = {"good": "32", "bad": "31", "unknown": "33", "faint": "2", "strong": "1"}
_PATIENCE = 1.0
_REDRAWN, _REPEATED = 0.1, 10.0


def has_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether this is a terminal that shows colours, and they are wanted."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


class Page:
    """Text as it is shown on standard output."""

    def __init__(self, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream or sys.stdout or io.StringIO()  # there is none where it was closed before we began
        self._has_colour = has_colour(self._stream, environment)
        self.is_terminal = self._stream.isatty()
        self.is_read = True
        """Whether somebody still takes what is shown."""
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")  # a terminal may have fewer letters than names do

    def line(self, text: str, indent: int = 0, colour: str | None = None) -> None:
        """A paragraph, filled; lines after its first stand two columns further in."""
        for filled in _filled(text, indent):
            self.raw(self._coloured(filled, colour))

    def raw(self, text: str = "", end: str = "\n") -> None:
        """A line as it is, or a part of one."""
        try:
            print(text, end=end, file=self._stream, flush=True)
        except BrokenPipeError:  # (5)
            self.is_read = False
            with contextlib.suppress(OSError):  # what the stream holds would fail once more at exit, with another code
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _coloured(self, text: str, colour: str | None) -> str:
        if colour is None or not self._has_colour:
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def _filled(text: str, indent: int) -> list[str]:
    shown = cut(one_line(cut(text, PARAGRAPH_LIMIT)), PARAGRAPH_LIMIT)
    margin = " " * indent
    filler = textwrap.TextWrapper(
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filler.wrap(shown) or [""]


class Progress:
    """How many of so many are done."""

    def __init__(
        self, total: int, noun: str, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._noun = noun
        self._stream = sys.stderr if stream is None else stream
        self._now = now
        self._is_terminal = has_colour(self._stream, os.environ | {"NO_COLOR": ""})
        self._next = now() + _PATIENCE
        self._is_shown = False

    def done(self, count: int) -> None:
        """So many are done."""
        now = self._now()
        if now < self._next:
            return
        self._next = now + (_REDRAWN if self._is_terminal else _REPEATED)
        text = f"{count} of {self._total} {self._noun} done"
        with contextlib.suppress(OSError):  # nobody needs to read it
            shown = f"\r{text}\x1b[K" if self._is_terminal else f"{text}\n"
            print(shown, end="", file=self._stream, flush=True)
        self._is_shown = self._is_terminal

    def clear(self) -> None:
        """Nothing of it stays on a terminal."""
        if self._is_shown:
            self._is_shown = False
            with contextlib.suppress(OSError):
                print("\r\x1b[K", end="", file=self._stream, flush=True)
