"""`gatecrier deliveries`: what waits, what was set aside and why; try it again, or give it up."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.describing import described
from router.cli.parsing import example
from router.cli.serve import DEFAULT_CONFIG
from router.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from router.cli import Subcommands
    from router.outbox import DeliveryRow, Records, Selection

STATES = ("pending", "set_aside", "delivered", "discarded")


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    parser = subcommands.add_parser(
        "deliveries",
        help="list, replay or discard what was not delivered",
        epilog=example("gatecrier deliveries list", "gatecrier deliveries replay --destination siem"),
    )
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = described(
        inner,
        "list",
        brief="show deliveries, newest first",
        text="Shows deliveries, newest first: those that wait and those that were set aside, unless --state "
        "says otherwise; with --event all of that event, also what was delivered.",
        examples="gatecrier deliveries list --destination slack --state set_aside",
    )
    _selecting(listing, STATES)
    listing.add_argument("--limit", type=_positive, default=100, help="how many at most (default: %(default)s)")
    listing.add_argument("--json", action="store_true", help="one JSON object per line, for programs")
    listing.set_defaults(run=_list)
    replay = described(
        inner,
        "replay",
        brief="try deliveries again now, with their original ids",
        text="Makes deliveries that were set aside (or wait) due now. They keep their event ids.",
        examples="gatecrier deliveries replay --destination slack",
    )
    replay.add_argument("--to", metavar="NAME", help="send the events to this destination instead")
    _selecting(replay, ("set_aside", "pending"))
    replay.add_argument("--all", action="store_true", help="everything that was set aside")
    replay.set_defaults(run=_replay)
    discard = described(
        inner,
        "discard",
        brief="give deliveries up for good",
        text="Gives deliveries up for good. They stay listed as discarded until their events are forgotten.",
        examples="gatecrier deliveries discard --destination slack --event ID",
    )
    _selecting(discard, ("set_aside", "pending"))
    discard.add_argument("--all", action="store_true", help="everything that was set aside")
    discard.set_defaults(run=_discard)


def _selecting(parser: argparse.ArgumentParser, states: Sequence[str]) -> None:
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration (default: %(default)s)")
    parser.add_argument("--destination", metavar="NAME", help="only of this destination")
    parser.add_argument("--state", metavar="STATE", choices=states, help=f"only in this state: {', '.join(states)}")
    parser.add_argument(
        "--event", metavar="ID", action="append", default=[], help="only of this event; may be repeated"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _selection(arguments: argparse.Namespace) -> Selection:
    from router.outbox import DeliveryState, Selection  # noqa: PLC0415 - imported only where it is needed

    state = None if arguments.state is None else DeliveryState(arguments.state)
    return Selection(arguments.destination, state, tuple(arguments.event))


@asynccontextmanager
async def _records(arguments: argparse.Namespace) -> AsyncIterator[Records]:
    """The outbox, where the destination that is meant is one; raises GatecrierError."""
    from router.errors import ConfigurationError  # noqa: PLC0415 - imported only where it is needed
    from router.outbox.records import beside  # noqa: PLC0415 - the same
    from router.settings.part import destination_names, outbox_settings  # noqa: PLC0415 - the same
    from router.settings.problems import advice  # noqa: PLC0415 - the same

    records = await beside(outbox_settings(arguments.config).path)
    try:
        known = destination_names(arguments.config)
        for name, is_new in ((arguments.destination, False), (getattr(arguments, "to", None), True)):
            if name is not None and name not in known and (is_new or not await records.knows(name)):
                raise ConfigurationError(f"there is no destination {name!r}; {advice(name, known)}")
        yield records
    finally:
        await records.close()


def _list(arguments: argparse.Namespace) -> int:
    async def rows() -> Sequence[DeliveryRow]:
        is_open = arguments.state is None and not arguments.event
        async with _records(arguments) as records:
            return await records.deliveries(_selection(arguments), arguments.limit, is_open=is_open)

    found = asyncio.run(rows())
    if arguments.json:
        for row in found:
            print(json.dumps(_as_object(row)))
    else:
        _print_table(found)
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    return asyncio.run(_changed(arguments, "replay"))


def _discard(arguments: argparse.Namespace) -> int:
    return asyncio.run(_changed(arguments, "discard"))


async def _changed(arguments: argparse.Namespace, what: str) -> int:
    from router.outbox import DeliveryState, Selection  # noqa: PLC0415 - imported only where it is needed

    selection = _selection(arguments)
    if selection == Selection():
        if not arguments.all:
            print("name what is meant: --destination, --event, --state or --all")
            return 2
        selection = Selection(state=DeliveryState.SET_ASIDE)
    async with _records(arguments) as records:
        if what == "replay":
            count = await records.replay(selection, arguments.to)
        else:
            count = await records.discard(selection, time.time())
    done = "discarded" if what == "discard" else f"due at {arguments.to}" if arguments.to else "due again"
    print(f"{count} deliver{'y' if count == 1 else 'ies'} {done}")
    return 0


def _print_table(rows: Sequence[DeliveryRow]) -> None:
    heads = ("STATE", "DESTINATION", "ATTEMPTS", "CAUSE", "STORED", "NEXT", "EVENT")
    print(table(heads, [_cells(row) for row in rows]))
    if not rows:
        print("nothing waits, nothing was set aside")


def _cells(row: DeliveryRow) -> Sequence[str]:
    return (
        row.state.value,
        row.destination,
        str(row.attempts),
        f"{row.reason}: {row.words}" if row.words else row.reason or "-",
        _time(row.appended_at),
        "-" if row.due_at is None else _time(row.due_at),
        row.event_id,
    )


def _as_object(row: DeliveryRow) -> dict[str, object]:
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
        "stored_at": _time(row.appended_at),
        "due_at": None if row.due_at is None else _time(row.due_at),
        "settled_at": None if row.settled_at is None else _time(row.settled_at),
    }


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
