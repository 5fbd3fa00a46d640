"""`gatecrier config`: is this configuration right, and what may stand in one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from router.cli import Subcommands
    from router.settings.loading import Loaded


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = subcommands.add_parser("config", help="check a configuration, or show what may stand in one")
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    check = inner.add_parser(
        "check",
        help="say everything that is wrong with a configuration",
        description="Reads a configuration and every file that it names, as `serve` does, and says everything that is "
        "wrong with it: FILE:LINE:COLUMN: PATH: found; expected. Starts and changes nothing. Exit code 1 if it is "
        "refused.",
    )
    check.add_argument("file", type=Path, nargs="?", default=DEFAULT_CONFIG, help="default: %(default)s")
    check.add_argument(
        "--offline", action="store_true", help="without the files that it names and without the environment: for CI"
    )
    check.set_defaults(run=_check)
    schema = inner.add_parser("schema", help="print the JSON Schema of the configuration, for editors")
    schema.set_defaults(run=_schema)
    reference = inner.add_parser("reference")  # for docs/configuration.md, and so without help
    reference.set_defaults(run=_reference)


def _check(arguments: argparse.Namespace) -> int:
    from router.settings.loading import (  # noqa: PLC0415 - the settings are imported only where they are read
        Loaded,
        attempt,
        attempt_offline,
    )

    result = attempt_offline(arguments.file) if arguments.offline else attempt(arguments.file, os.environ)
    if not isinstance(result, Loaded):
        print(result.text, file=sys.stderr)
        return 1
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    left_out = "; files and environment were not looked at" if arguments.offline else ""
    print(f"{arguments.file}: valid ({_summary(result)}{left_out})")
    return 0


def _summary(loaded: Loaded) -> str:
    settings = loaded.settings
    counted = (
        (len(settings.verifiers), "verifier"),
        (len(settings.policy), "rule"),
        (len(settings.registries), "registry"),
        (len(settings.destinations), "destination"),
        (len(loaded.warnings), "warning"),
    )
    return ", ".join(f"{number} {_plural(noun, number)}" for number, noun in counted)


def _plural(noun: str, number: int) -> str:
    if number == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _schema(_: argparse.Namespace) -> int:
    from router.settings.schema import schema_text  # noqa: PLC0415 - as above

    print(schema_text(), end="")
    return 0


def _reference(_: argparse.Namespace) -> int:
    from router.settings.reference import reference  # noqa: PLC0415 - as above

    print(reference(), end="")
    return 0
