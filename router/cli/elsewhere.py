"""Commands about what only the collector keeps: wherever they are asked, they run there.

Rules:
(1) Such a command says so of itself (`configured(..., of_collector=True)`). Where the configuration names another
    replica as the collector, the command line is sent there, and what it prints is printed here.
(2) There is no second meaning: the collector runs the very command (`router.replicas.collecting`).
(3) What goes on (`--watch`), or reads a file of here (`--what-if`), is neither sent nor run for another: it is asked at
    the collector itself.
(4) For another replica runs nothing else than such commands, and those that look here first and ask the collector
    about what is not here (`configured(..., asks_collector=True)`); those do so by `collector` and `answer_of`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from router.errors import MisusedError

if TYPE_CHECKING:
    from router.fields import ListenAddress
    from router.replicas.exchange import Printed
    from router.replicas.identity import ReplicaIdentity

FOR_REPLICA = "--for-replica"
_STAYS = ("--watch", "--what-if")
PATIENCE = 75.0
"""Seconds that the collector may take: more than it gives a command."""


Collector: TypeAlias = "tuple[ListenAddress, ReplicaIdentity]"
"""Which replica is asked, and what it knows us by."""


def run(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    """Run a command, here or at the collector; returns its exit code."""
    is_of_collector = getattr(arguments, "of_collector", False)
    if arguments.for_replica and not (is_of_collector or getattr(arguments, "asks_collector", False)):
        raise MisusedError(f"{FOR_REPLICA} is for commands about what the collector keeps")
    if arguments.for_replica:
        _stay(arguments)
    elif is_of_collector and (there := collector(arguments)) is not None:
        return passed_on(there, arguments, argv)
    arguments.argv = argv
    code: int = arguments.run(arguments)
    return code


def passed_on(there: Collector, arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    """Have this very command run at the collector; returns its exit code."""
    _stay(arguments)
    printed = answer_of(there, argv)
    sys.stderr.write(printed.errors.decode(errors="replace"))
    sys.stdout.write(printed.output.decode(errors="replace"))
    return printed.exit_code


def answer_of(there: Collector, argv: Sequence[str]) -> Printed:
    """What the collector answers to a command line; raises ReplicaError."""
    return asyncio.run(_asked(*there, argv))


def collector(arguments: argparse.Namespace) -> Collector | None:
    """Who is asked about what only the collector keeps; None where that is this replica, or it runs for another."""
    from router.replicas.identity import kept  # noqa: PLC0415 - imported only where it is needed
    from router.replicas.naming import identity_file, is_own, own_name  # noqa: PLC0415 - the same
    from router.settings.part import collector_part  # noqa: PLC0415 - the same

    part = collector_part(arguments.config)
    address = part.incidents.collector
    if arguments.for_replica or address is None or is_own(address, own_name(os.environ)):
        return None
    return address, kept(identity_file(part.outbox.path))


def _stay(arguments: argparse.Namespace) -> None:
    for option in _STAYS:
        if getattr(arguments, option.lstrip("-").replace("-", "_"), None):
            raise MisusedError(f"{option} is not passed on; ask at the collector itself (incidents.collector)")


async def _asked(address: ListenAddress, own: ReplicaIdentity, argv: Sequence[str]) -> Printed:
    from router.replicas.calling import Calling  # noqa: PLC0415 - as above
    from router.replicas.exchange import COMMAND, Command, Printed, packed, unpacked  # noqa: PLC0415 - as above

    calling = Calling(address, own, PATIENCE)
    try:
        return unpacked(await calling.ask(COMMAND, packed(Command(argv))), Printed)
    finally:
        await calling.close()
