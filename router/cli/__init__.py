"""The command `gatecrier`: one module per subcommand, each thin: parse, call, print.

Exit codes are those of `router.cli.exit_codes`; whatever we raise on purpose is told on standard error, and means that
it could not be told (3), or that the command line is wrong (2). So does a mistake of ours, with its traceback (3).
Whoever reads our output and has seen enough closes it: that is no trouble.
A module of this package offers `add(subcommands)`, which registers its parser with `run` as the default to call.
Modules are imported when the command line is parsed, and what they need only when they run, so that `--help` and
the short commands stay quick.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from router import __version__
from router.cli import (
    check,
    completion,
    config,
    deliveries,
    demo,
    events,
    explain,
    importing,
    incidents,
    readiness,
    routes,
    scan,
    serve,
    silence,
    templates,
    trust,
    verify,
)
from router.cli.elsewhere import FOR_REPLICA, run
from router.cli.exit_codes import INTERRUPTED, MISUSED, UNKNOWN, YES
from router.cli.parsing import Parser, example
from router.errors import GatecrierError, MisusedError
from router.text import SHOWN, cut, one_line

COMMANDS = (
    serve,
    verify,
    check,
    trust,
    config,
    routes,
    events,
    explain,
    incidents,
    readiness,
    scan,
    silence,
    templates,
    deliveries,
    demo,
    importing,
    completion,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What writing fails with where there is no room for it."""

_EXAMPLES = """
gatecrier demo
gatecrier config check gatecrier.yaml
gatecrier serve --config gatecrier.yaml
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = Parser(
        prog="gatecrier",
        description="Verifies container images at the Kubernetes gate and loses no alert about what it decided.",
        epilog=example(_EXAMPLES),
    )
    whole.add_argument("--version", action="version", version=f"gatecrier {__version__}")
    whole.add_argument(FOR_REPLICA, action="store_true", help=argparse.SUPPRESS)
    subcommands = whole.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(subcommands)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _fill_standard_descriptors()
    try:
        try:
            return _run(argv)
        finally:
            print(end="", flush=True)  # what is left would fail at exit; there may be no standard output at all
    except BrokenPipeError:
        _drop_output()
        return YES
    except OSError as error:
        _drop_output()
        _complain(f"the output can't be written: {error.strerror}")
        return UNKNOWN


def _run(argv: Sequence[str] | None) -> int:
    try:
        code: int = run(_parsed(argv), sys.argv[1:] if argv is None else argv)
    except GatecrierError as error:
        _complain(str(error))
        return MISUSED if isinstance(error, MisusedError) else UNKNOWN
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # the interpreter would end with 1, which a pipeline takes for a no
        if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
            raise  # by the output: it is told once
        _complain(traceback.format_exc())
        return UNKNOWN
    return code


def _drop_output() -> None:
    """What is left of it would fail once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; its parser is let go of, for `serve` runs long."""
    whole = parser()
    completion.complete(whole)
    for argument in sys.argv[1:] if argv is None else argv:
        if not _is_text(argument) and not any(map(os.path.lexists, (argument, argument.partition("=")[2]))):
            whole.error(f"{one_line(cut(argument, SHOWN))} is neither UTF-8 nor a file")
    return whole.parse_args(argv)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fill_standard_descriptors() -> None:
    """A file that got the number of a closed standard error would be written into by the log.

    Standard input that was closed is empty, for whoever reads it or asks whether it is a terminal.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as we run
    if sys.stderr is None:  # what is told there would be told on standard output
        sys.stderr = _nobody()


def _nobody() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _complain(text: str) -> None:
    """Tell on standard error; where that can't be written to, the exit code alone tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        sys.stderr = _nobody()  # what the other holds would fail once more at exit, with another code
