"""`gatecrier serve`: the gate and the delivery, until SIGTERM."""

from __future__ import annotations

import argparse
import gc
import signal
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from types import FrameType
from typing import TYPE_CHECKING

from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured
from router.text import more

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands

MOST = 20
"""Problems in the line of the log about a start that failed."""
IMPORTING = 5000
"""Objects made between two looks for garbage while everything is imported: seldom, since looking as often as Python
would takes a quarter of the time; and not never, since what is let go is used again, else there are holes in the pages
that all processes share."""
ROOM = 5000
"""Characters of them all together, fewer than a value of the log's lines has."""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "serve",
        brief="answer admission requests and deliver events",
        text="Answers admission requests and delivers events until SIGTERM. SIGHUP, or a change of the "
        "configuration or of a file that it names, makes it read the configuration again; a bad one is refused and "
        "the old one stays.",
        examples="gatecrier serve --config gatecrier.yaml",
    )
    configured(parser, run)
    parser.add_argument("--log", choices=("json", "readable"), help="form of the log (default: readable on a terminal)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    _on_signals(_leave, signal.SIG_IGN)  # what is to be read again has not been read yet
    gc.collect()  # the parser of the command line: what is imported takes its place
    ordinarily = gc.get_threshold()
    gc.set_threshold(IMPORTING, *ordinarily[1:])
    from router.assembly import serve  # noqa: PLC0415 - the whole router is imported only where it is run
    from router.errors import GatecrierError  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same
    from router.telemetry.adopting import adopting  # noqa: PLC0415 - the same
    from router.telemetry.going_on import or_else  # noqa: PLC0415 - the same

    gc.set_threshold(*ordinarily)
    is_readable = None if arguments.log is None else arguments.log == "readable"
    logs.configure(readable=is_readable)

    def served() -> int:
        try:
            with adopting():
                return serve(arguments.config, is_log_readable=is_readable)
        except GatecrierError as error:
            logs.logger().error("router_not_started", problems=_shortened(str(error).splitlines()))
            return NO

    try:
        return or_else(served, lambda: NO, "router_failed")  # else it would be printed beside the log
    finally:
        _on_signals(signal.SIG_IGN, signal.SIG_IGN)  # being told again must not change what we end with
        logs.flush()


def _shortened(problems: Sequence[str]) -> list[str]:
    """As many as a line of the log holds; whoever has more has one cause for most of them."""
    most = bisect_right(list(accumulate(map(len, problems[:MOST]))), ROOM)
    return [*problems[:most], *more(len(problems), most, "; see `gatecrier config check`")]


def _on_signals(ending: Callable[[int, FrameType | None], object] | signal.Handlers, reading: signal.Handlers) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ending)
    signal.signal(signal.SIGHUP, reading)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Told to stop before there is anything to be stopped."""
    raise SystemExit(YES)
