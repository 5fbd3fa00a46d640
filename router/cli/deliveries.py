"""`gatecrier deliveries`: what waits, what was set aside and why; try it again, or give it up."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms, moment, moment_or_none
from router.cli.events import not_stored, opened
from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured, group, limited
from router.cli.tables import table
from router.errors import MisusedError
from router.text import advice, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from router.cli.parsing import Subcommands
    from router.outbox import DeliveryRow, DeliverySelection
    from router.outbox.records import SqliteRecords

STATES = ("pending", "set_aside", "delivered", "discarded")


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "deliveries",
        brief="list, replay or discard what was not delivered",
        examples="gatecrier deliveries list\ngatecrier deliveries replay --destination siem",
    )
    listing = command(
        inner,
        "list",
        brief="show deliveries, newest first",
        text="Shows deliveries, newest first: those that wait and those that were set aside, unless --state "
        "says otherwise; with --event all of that event, also what was delivered.",
        examples="gatecrier deliveries list --destination slack --state set_aside",
    )
    _selecting(listing, STATES, _list)
    limited(listing, 100)
    forms(listing)
    replay = command(
        inner,
        "replay",
        brief="try deliveries again now, with their original ids",
        text="Makes deliveries that were set aside (or wait) due now. They keep their event ids. Exit code 1 if an "
        "event that is named is not stored here.",
        examples="gatecrier deliveries replay --destination slack",
    )
    replay.add_argument("--to", metavar="NAME", help="send the events to this destination instead")
    _selecting(replay, ("set_aside", "pending"), _replay)
    replay.add_argument("--all", action="store_true", help="everything that was set aside")
    discard = command(
        inner,
        "discard",
        brief="give deliveries up for good",
        text="Gives deliveries up for good. They stay listed as discarded until their events are forgotten. Exit "
        "code 1 if an event that is named is not stored here.",
        examples="gatecrier deliveries discard --destination slack --event ID",
    )
    _selecting(discard, ("set_aside", "pending"), _discard)
    discard.add_argument("--all", action="store_true", help="everything that was set aside")


def _selecting(
    parser: argparse.ArgumentParser, states: Sequence[str], run: Callable[[argparse.Namespace], int]
) -> None:
    configured(parser, run)
    parser.add_argument("--destination", metavar="NAME", help="only of this destination")
    parser.add_argument("--state", metavar="STATE", choices=states, help=f"only in this state: {', '.join(states)}")
    parser.add_argument(
        "--event", metavar="ID", action="append", default=[], help="only of this event; may be repeated"
    )


def _selection(arguments: argparse.Namespace) -> DeliverySelection:
    from router.outbox import DeliverySelection, DeliveryState  # noqa: PLC0415 - imported only where it is needed

    state = None if arguments.state is None else DeliveryState(arguments.state)
    return DeliverySelection(arguments.destination, state, tuple(arguments.event))


@asynccontextmanager
async def _records(arguments: argparse.Namespace) -> AsyncIterator[SqliteRecords]:
    """The outbox, where the destination that is meant is one; raises GatecrierError."""
    from router.settings.part import destination_names  # noqa: PLC0415 - imported only where it is needed

    async with opened(arguments.config) as records:
        known = destination_names(arguments.config)
        for name, is_new in ((arguments.destination, False), (getattr(arguments, "to", None), True)):
            if name is not None and name not in known and (is_new or not await records.knows(name)):
                raise MisusedError(f"there is no destination {shown(name)}; {advice(name, known)}")
        yield records


def _list(arguments: argparse.Namespace) -> int:
    async def rows() -> Sequence[DeliveryRow]:
        is_open = arguments.state is None and not arguments.event
        async with _records(arguments) as records:
            return await records.deliveries(_selection(arguments), arguments.limit, is_open=is_open)

    def ask() -> CommandAnswer:
        found = asyncio.run(rows())
        heads = ("STATE", "DESTINATION", "ATTEMPTS", "CAUSE", "STORED", "NEXT", "EVENT")
        text = table(heads, map(_cells, found), nothing="nothing waits, nothing was set aside")
        return CommandAnswer(list(map(as_object, found)), text)

    return answered(arguments, ask)


def _replay(arguments: argparse.Namespace) -> int:
    return asyncio.run(_changed(arguments, "replay"))


def _discard(arguments: argparse.Namespace) -> int:
    return asyncio.run(_changed(arguments, "discard"))


async def _changed(arguments: argparse.Namespace, what: str) -> int:
    from router.outbox import DeliverySelection, DeliveryState  # noqa: PLC0415 - imported only where it is needed

    selection = _selection(arguments)
    if selection == DeliverySelection():
        if not arguments.all:
            raise MisusedError("name what is meant: --destination, --event, --state or --all")
        selection = DeliverySelection(state=DeliveryState.SET_ASIDE)
    async with _records(arguments) as records:
        missing = await _missing(records, arguments.event)
        if what == "replay":
            count = await records.replay(selection, arguments.to)
        else:
            count = await records.discard(selection, time.time())
    done = "discarded" if what == "discard" else f"due at {arguments.to}" if arguments.to else "due again"
    print(f"{count} deliver{'y' if count == 1 else 'ies'} {done}")
    for one in missing:
        print(not_stored(one), file=sys.stderr)
    return NO if missing else YES


async def _missing(records: SqliteRecords, ids: Sequence[str]) -> Sequence[str]:
    """Those that no event has."""
    from router.outbox.stored import Stretch  # noqa: PLC0415 - imported only where it is needed

    found = {one.id for one in await records.events(Stretch(ids=ids), len(ids))} if ids else set()
    return [one for one in dict.fromkeys(ids) if one not in found]


def _cells(row: DeliveryRow) -> Sequence[str]:
    return (
        row.state.value,
        row.destination,
        str(row.attempts),
        f"{row.reason}: {row.words}" if row.words else row.reason or "-",
        moment(row.appended_at),
        moment_or_none(row.due_at) or "-",
        row.event_id,
    )


def as_object(row: DeliveryRow) -> Object:
    """A delivery, for programs."""
    return {
        "state": row.state.value,
        "destination": row.destination,
        "attempts": row.attempts,
        "reason": row.reason,
        "words": row.words,
        "severity": row.severity.value,
        "replica": row.number.replica,
        "sequence": row.number.sequence,
        "event_id": row.event_id,
        "stored_at": moment(row.appended_at),
        "due_at": moment_or_none(row.due_at),
        "settled_at": moment_or_none(row.settled_at),
        "tried": [
            {
                "at": moment(one.at),
                "seconds": one.seconds,
                "is_accepted": one.is_accepted,
                "status": one.status,
                "reason": one.reason,
                "words": one.words,
            }
            for one in row.tried
        ],
    }
