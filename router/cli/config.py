"""`gatecrier config`: is this configuration right, and what may stand in one."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.exit_codes import NO, YES
from router.cli.parsing import DEFAULT_CONFIG, command, group
from router.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.cli.parsing import Subcommands
    from router.settings.loading import Loaded


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    inner = group(
        subcommands,
        "config",
        brief="check a configuration, or show what may stand in one",
        examples="gatecrier config check gatecrier.yaml\ngatecrier config schema > gatecrier.schema.json",
    )
    check = command(
        inner,
        "check",
        brief="say everything that is wrong with a configuration",
        text="Reads a configuration and every file that it names, as `serve` does, and says everything that is "
        "wrong with it: FILE:LINE:COLUMN: PATH: found; expected. Starts and changes nothing. Exit code 1 if it is "
        "refused.",
        examples="gatecrier config check gatecrier.yaml",
    )
    check.add_argument("file", type=Path, nargs="?", default=DEFAULT_CONFIG, help="default: %(default)s")
    check.add_argument(
        "--offline", action="store_true", help="without the files that it names and without the environment: for CI"
    )
    check.set_defaults(run=_check)
    schema = command(
        inner,
        "schema",
        brief="print the JSON Schema of the configuration, for editors",
        text="Prints the JSON Schema of the configuration, by which editors complete and check it.",
        examples="gatecrier config schema > gatecrier.schema.json",
    )
    schema.set_defaults(run=_schema)
    reference = command(
        inner,
        "reference",
        brief="print what may stand in a configuration, with defaults and meanings",
        text="Prints every key of the configuration with its default and meaning, in Markdown: what "
        "docs/configuration.md has.",
        examples="gatecrier config reference | less",
    )
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
        return NO
    left_behind = [] if arguments.offline else asyncio.run(_left_behind(result))
    for warning in (*result.warnings, *left_behind):
        print(f"warning: {warning}", file=sys.stderr)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    left_out = "; files and environment were not looked at" if arguments.offline else ""
    print(f"{arguments.file}: valid ({_summary(result)}{left_out})")
    return YES


async def _left_behind(loaded: Loaded) -> Sequence[str]:
    """What waits in the outbox, if there is one here, for destinations that the configuration does not have."""
    from router.errors import OutboxError  # noqa: PLC0415 - as above
    from router.outbox.records import beside  # noqa: PLC0415 - as above

    names = {one.name for one in loaded.settings.destinations}
    try:
        records = await beside(loaded.settings.outbox.path)
    except OutboxError:  # it is elsewhere, or not made yet: the router says what is wrong with it
        return ()
    try:
        waiting = await records.waiting()
    except OutboxError:
        return ()
    finally:
        await records.close()
    return [
        f"{one.pending + one.set_aside} deliveries are left for {shown(name)}, which is not a destination here; name "
        f"it again, or send them elsewhere: gatecrier deliveries replay --destination {name} --to NAME"
        for name, one in sorted(waiting.items())
        if name not in names and one.pending + one.set_aside
    ]


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
    return YES


def _reference(_: argparse.Namespace) -> int:
    from router.settings.reference import reference  # noqa: PLC0415 - as above

    print(reference(), end="")
    return YES
