"""How commands answer: columns for people, JSON for programs, once or live.

Rules:
(1) `--json` is one array in every command, `--jsonl` one object a line. `--watch` asks again every second until it is
    interrupted: people are shown the whole whenever it has changed, programs the objects that are new or have changed.
    An array that never ends is none, so `--json --watch` is refused.
(2) Exit codes: 0 yes, or found; 1 no, or nothing found; 2 the command line is wrong; 3 it could not be told.
(3) What others wrote can neither break a line nor be obeyed by a terminal (`one_line`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from router.cli.serve import DEFAULT_CONFIG
from router.cli.tables import table as columns
from router.errors import MisusedError

YES, NO, MISUSED, UNKNOWN = 0, 1, 2, 3
AGAIN = 1.0
"""Seconds between two answers of `--watch`."""
_CLEAR = "\x1b[H\x1b[2J"

Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has found."""

    objects: Sequence[Object]
    """For programs."""
    text: str
    """For people."""
    code: int = YES
    is_news: bool = False
    """Whether it holds only what was not answered before, so that live it is added and replaces nothing."""


def asking(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Let a command read a configuration; where what it asks can't be read, the answer is that it could not be told."""
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration (default: %(default)s)")
    parser.set_defaults(run=run, on_trouble=UNKNOWN)


def forms(parser: argparse.ArgumentParser, *, is_live: bool = True) -> None:
    """Let a command answer in all forms."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="one JSON array, for programs")
    group.add_argument("--jsonl", action="store_true", help="one JSON object per line, for programs")
    if is_live:
        parser.add_argument("--watch", action="store_true", help="go on until interrupted, and show what changes")


def answered(
    arguments: argparse.Namespace, ask: Callable[[], Answer], pause: Callable[[float], None] | None = None
) -> int:
    """Print what `ask` finds, in the form that is wanted, as often as is wanted; returns the exit code."""
    is_live = getattr(arguments, "watch", False)
    if is_live and arguments.json:
        raise MisusedError("an array that goes on has no end; write --jsonl --watch")
    found, before = ask(), Answer((), "")
    _print(arguments, found, before, is_live=is_live)
    while is_live:
        (pause or time.sleep)(AGAIN)
        before, found = found, ask()
        _print(arguments, found, before, is_live=True)
    return found.code


def for_programs(arguments: argparse.Namespace, objects: Sequence[Object], known: Sequence[Object] = ()) -> bool:
    """Print them, but for lines that are known, where the answer is for programs; whether it is."""
    if arguments.json:
        print(json.dumps(list(objects), indent=2))
    elif arguments.jsonl:
        before = set(map(json.dumps, known))
        for line in map(json.dumps, objects):
            if line not in before:
                print(line)
    return bool(arguments.json or arguments.jsonl)


def _print(arguments: argparse.Namespace, found: Answer, before: Answer, *, is_live: bool) -> None:
    if for_programs(arguments, found.objects, () if found.is_news else before.objects):
        pass
    elif found.text and (found.is_news or found.text != before.text):
        if is_live and not found.is_news and sys.stdout.isatty():
            print(_CLEAR, end="")
        print(found.text)
    sys.stdout.flush()


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> str:
    """Columns under their heads; `nothing` stands for no rows."""
    cells = list(rows)
    return columns(heads, cells) if cells else nothing


def moment(epoch: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_or_none(epoch: float | None) -> str | None:
    """The same, where there is one."""
    return None if epoch is None else moment(epoch)


def at_least_one(text: str) -> int:
    """A number on the command line, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def seconds(text: str) -> float:
    """A duration on the command line, for argparse."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - imported only where it is needed

    from router.fields import Duration  # noqa: PLC0415 - the same

    try:
        found: float = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"]) from error
    return found
