"""How commands answer: text for people, JSON for programs, once or live.

Rules:
(1) In every command that answers, `--json` is one array, also of one thing or none, and `--jsonl` one object a line.
(2) `--watch` asks again every second until it is interrupted: people are shown the whole whenever it has changed,
    programs the objects that are new or have changed. An array that never ends is none, so `--json --watch` is refused.
    Commands that ask others than our own files have no `--watch`: registries and repositories are asked once.
(3) What is wrong beside the answer is told on standard error, in every form, again where it has changed.
(4) What others wrote can neither break a line nor be obeyed by a terminal: texts are made by `one_line` or by `table`,
    and JSON is ASCII.
(5) Whoever stops reading ends the output, not the exit code (`router.cli.pages`), and what is live.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from router.cli.exit_codes import YES
from router.cli.pages import Page
from router.errors import MisusedError

AGAIN = 1.0
"""Seconds between two answers of `--watch`."""
_CLEAR = "\x1b[H\x1b[2J"

Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """What a command has found."""

    objects: Sequence[Object]
    """For programs."""
    text: str
    """For people."""
    code: int = YES
    problems: Sequence[str] = ()
    """What is wrong beside it, a line each."""
    is_news: bool = False
    """Whether it holds only what was not answered before, so that live it is added and replaces nothing."""


def forms(parser: argparse.ArgumentParser, *, is_live: bool = True) -> None:
    """Let a command answer in all forms; `is_live`: also again and again (2)."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="one JSON array, for programs")
    group.add_argument("--jsonl", action="store_true", help="one JSON object a line, for programs")
    if is_live:
        parser.add_argument("--watch", action="store_true", help="go on until interrupted, and show what changes")


def answered(
    arguments: argparse.Namespace, ask: Callable[[], CommandAnswer], pause: Callable[[float], None] | None = None
) -> int:
    """Print what `ask` finds, in the form that is wanted, as often as is wanted; returns the exit code."""
    is_live = getattr(arguments, "watch", False)
    if is_live and arguments.json:
        raise MisusedError("an array that goes on has no end; write --jsonl --watch")
    page = Page()
    found, before = ask(), CommandAnswer((), "")
    _show(page, arguments, found, before)
    while is_live and page.is_read:
        (pause or time.sleep)(AGAIN)
        before, found = found, ask()
        _show(page, arguments, found, before)
    return found.code


def _show(page: Page, arguments: argparse.Namespace, found: CommandAnswer, before: CommandAnswer) -> None:
    if (objects := JsonObjects.wanted(page, arguments)) is not None:
        known = set() if found.is_news else set(map(json.dumps, before.objects))
        for one in found.objects:
            if json.dumps(one) not in known:
                objects.add(one)
        objects.end()
    elif found.text and (found.is_news or found.text != before.text):
        if getattr(arguments, "watch", False) and not found.is_news and page.is_terminal:
            page.raw(_CLEAR, end="")
        page.raw(found.text)
    if found.problems != before.problems:
        for problem in found.problems:
            print(problem, file=sys.stderr)


class JsonObjects:
    """Answers as JSON, one after the other: an array, or one a line. All is ASCII (4)."""

    def __init__(self, page: Page, *, is_array: bool) -> None:
        self._page = page
        self._is_array = is_array
        self._is_empty = True

    @classmethod
    def wanted(cls, page: Page, arguments: argparse.Namespace) -> JsonObjects | None:
        """Where answers for programs go; None where people ask."""
        return cls(page, is_array=arguments.json) if arguments.json or arguments.jsonl else None

    def add(self, answer: Object) -> None:
        """Show one."""
        if not self._is_array:
            self._page.raw(json.dumps(answer))
            return
        self._page.raw(
            ("[\n" if self._is_empty else ",\n") + textwrap.indent(json.dumps(answer, indent=2), "  "), end=""
        )
        self._is_empty = False

    def end(self) -> None:
        """No more come."""
        if self._is_array:
            self._page.raw("[]" if self._is_empty else "\n]")


def moment(epoch: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_or_none(epoch: float | None) -> str | None:
    """The same, where there is one."""
    return None if epoch is None else moment(epoch)
