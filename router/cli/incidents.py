"""`gatecrier incidents`: what is wrong with whom, since when, and who was told of it."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from router.cli import events
from router.cli.answering import CommandAnswer, Object, answered, forms, moment
from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured, group, limited
from router.cli.tables import table
from router.errors import MisusedError
from router.text import how_often, one_line

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from router.cli.parsing import Subcommands
    from router.incidents.incident import Incident
    from router.incidents.rules import IncidentRules

EVENTS = 100
"""Events of one incident that are named."""


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "incidents",
        brief="list, show or close incidents",
        examples="gatecrier incidents list\ngatecrier incidents show 17",
    )
    listing = command(
        inner,
        "list",
        brief="show incidents, newest first",
        text="Shows incidents, newest first: open ones.",
        examples="gatecrier incidents list --namespace payments --json",
    )
    which = listing.add_mutually_exclusive_group()
    which.add_argument("--open", action="store_true", help="only open ones (the default)")
    which.add_argument("--all", action="store_true", help="those that are over, too")
    listing.add_argument("--namespace", metavar="N", help="of this namespace")
    listing.add_argument("--event", metavar="ID", help="that have counted the event of this id")
    limited(listing, 100)
    configured(listing, _list, of_collector=True)
    forms(listing)
    show = command(
        inner,
        "show",
        brief="show all that is known of an incident",
        text="Shows all that is known of an incident: whose trouble it is, since when, what was found how often, who "
        "was told of it, and for programs the ids of its events. Exit code 1 if there is no such incident.",
        examples="gatecrier incidents show 17",
    )
    show.add_argument("id", metavar="ID", help="its id, or its number")
    configured(show, _show, of_collector=True)
    forms(show)
    close = command(
        inner,
        "close",
        brief="end an incident",
        text="Ends an open incident; whoever was told of it is told so. The next failure opens another. Exit code 1 if "
        "no such incident is open.",
        examples="gatecrier incidents close 17 --author alice --reason 'signed by hand'",
    )
    close.add_argument("id", metavar="ID", help="its id, or its number")
    close.add_argument("--author", metavar="NAME", required=True, help="who says so")
    close.add_argument("--reason", metavar="TEXT", required=True, help="why")
    configured(close, _close, of_collector=True)


def _list(arguments: argparse.Namespace) -> int:
    from router.incidents import reading  # noqa: PLC0415 - imported only where it is needed

    query = partial(
        reading.incidents,
        limit=arguments.limit,
        namespace=arguments.namespace,
        only=None if arguments.all else True,
        event=arguments.event,
    )

    async def found() -> Sequence[Incident]:
        async with events.opened(arguments.config) as records:
            return await records.read(query)

    def ask() -> CommandAnswer:
        some = asyncio.run(found())
        heads = ("NUMBER", "STATE", "SEVERITY", "WHO", "FOUND", "COUNT", "LAST SEEN", "ID")
        text = table(heads, [_cells(one) for one in some], nothing="no incident is open")
        return CommandAnswer([as_object(one) for one in some], text)

    return answered(arguments, ask)


def _show(arguments: argparse.Namespace) -> int:
    from router.incidents import reading  # noqa: PLC0415 - as above

    async def found() -> tuple[Incident | None, Sequence[str]]:
        async with events.opened(arguments.config) as records:
            one = await records.read(partial(reading.incident, incident_id=arguments.id))
            if one is None:
                return None, ()
            return one, await records.read(partial(reading.events_of, incident=one, limit=EVENTS))

    def ask() -> CommandAnswer:
        one, ids = asyncio.run(found())
        if one is None:
            return CommandAnswer((), f"there is no incident {arguments.id}", NO)
        return CommandAnswer([{**as_object(one), "events": list(ids)}], "\n".join(lines_of(one)))

    return answered(arguments, ask)


def _close(arguments: argparse.Namespace) -> int:
    from router.incidents import reading  # noqa: PLC0415 - as above
    from router.incidents.consuming import Consuming  # noqa: PLC0415 - the same
    from router.incidents.work import IncidentsWork  # noqa: PLC0415 - the same

    if not (arguments.author.strip() and arguments.reason.strip()):
        raise MisusedError("say who closes it and why: --author NAME --reason TEXT")
    rules = _rules(arguments.config)

    async def closed() -> int:
        async with events.opened(arguments.config) as records:
            own = records.own_time()

            def close(connection: sqlite3.Connection) -> int:
                one = reading.incident(connection, arguments.id)
                if one is None or not one.is_open:
                    return 0
                Consuming(IncidentsWork(connection, rules, own, time.time())).close(
                    one, arguments.author, arguments.reason
                )
                return 1

            return await records.change(close, is_decided=True)

    is_closed = asyncio.run(closed())
    print("the incident is closed" if is_closed else f"no incident {arguments.id} is open")
    return YES if is_closed else NO


def _rules(config: Path) -> IncidentRules:
    from router.incidents.rules import IncidentRules  # noqa: PLC0415 - as above
    from router.settings.routes_part import routes_of  # noqa: PLC0415 - the same

    part = routes_of(config)
    return IncidentRules.of(part.incidents, part.time_intervals, part.routes, "", 0.0)


def as_object(one: Incident) -> Object:
    """An incident, for programs."""
    shown = one.public(_state(one), None, {})
    shown.pop("told")
    shown.pop("suppressed")
    shown.pop("links")
    tellings = {
        name: {"told": telling.told, "suppressed": telling.suppressed, "severity": telling.severity}
        for name, telling in one.tellings.items()
    }
    return {**shown, "destinations": tellings}


def lines_of(one: Incident) -> Iterator[str]:
    """An incident, for people."""
    yield one_line(f"incident {one.number} ({one.id}): {_state(one)}, severity {one.severity}")
    yield one_line(f"  {who(one)} in cluster {one.cluster}, first asked by {one.user}")
    if one.claimed_owner is not None:
        claimed = f"{one.claimed_owner['kind']}/{one.claimed_owner['name']}"
        yield one_line(f"  it claims to be of {claimed}, which is not believed")
    yield f"  {one.count} events, from {moment(one.first_seen)} to {moment(one.last_seen)}"
    for image in one.images:
        found = (
            f"{image.image} (container {image.container}): {image.verdict} ({image.reason}), {how_often(image.count)}"
        )
        yield one_line(f"  {found}")
    if one.ended is not None:
        by = f" by {one.ended.author}: {one.ended.reason}" if one.ended.author else ""
        yield one_line(f"  it ended ({one.ended.how}){by}")
    for name, telling in one.tellings.items():
        held = f", {telling.suppressed} events held back" if telling.suppressed else ""
        yield one_line(f"  {name}: told {how_often(telling.told)}{held}")


def who(one: Incident) -> str:
    """Whose trouble it is."""
    return "/".join(filter(None, (one.namespace, one.owner["kind"], one.owner["name"])))


def _state(one: Incident) -> str:
    return "open" if one.is_open else "over"


def _cells(one: Incident) -> Sequence[str]:
    verdicts = " ".join(dict.fromkeys(image.verdict for image in one.images)) or "-"
    cells = (
        str(one.number),
        _state(one),
        one.severity,
        who(one),
        verdicts,
        str(one.count),
        moment(one.last_seen),
        one.id,
    )
    return [one_line(cell) for cell in cells]
