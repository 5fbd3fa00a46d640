"""`gatecrier demo`: the main job on this machine, from a signed image to an alert that arrives."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from router.cli.parsing import command

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "demo",
        brief="show the main job on this machine",
        text="Starts, on loopback and in a temporary folder: a registry with signed, unsigned, wrongly signed "
        "and tampered images, the gate with TLS, and receivers that play Sysdig, Slack and a SIEM. Asks the gate as an "
        "API server would, and shows what was decided and what arrived. Exit code 1 if anything is not as expected.",
        examples="gatecrier demo --payloads",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running, and say how to play with it")
    parser.add_argument("--payloads", action="store_true", help="show every payload, not only the first of each kind")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play the demo."""
    import asyncio  # noqa: PLC0415 - imported only where it is run

    from router.assembly.opening import new_event_loop  # noqa: PLC0415 - the same
    from router.cli.demo.playing import play  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(readable=True, least="ERROR")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(play(keep=arguments.keep, show_all=arguments.payloads))
