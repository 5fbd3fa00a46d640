"""`gatecrier silence`: hold back what people are told of incidents, for a while, by whom and why."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from router.cli import events
from router.cli.answering import CommandAnswer, Object, answered, forms, moment, moment_or_none
from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured, duration, end, group
from router.cli.tables import table
from router.errors import MisusedError
from router.text import SHOWN, cut, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.cli.parsing import Subcommands
    from router.incidents.reading import HeldMessages
    from router.incidents.silences import Silence

LISTED = 1000
"""Silences that are shown at most."""


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "silence",
        brief="hold back what people are told of incidents, for a while",
        examples="gatecrier silence list\ngatecrier silence expire ID --author alice",
    )
    adding = command(
        inner,
        "add",
        brief="add a silence, and print its id",
        text="Adds a silence, which is in force when this returns, and prints its id; on standard error it "
        "says until when it holds. At its end each destination from "
        "which something was held back gets a summary. The events lane is never silenced.",
        examples="gatecrier silence add 'request.namespace = ci' --author al --reason x --for 2h",
    )
    adding.add_argument("matcher", metavar="MATCHER", nargs="*", help='such as request.namespace = "team-a"')
    adding.add_argument("--author", metavar="NAME", default="", help="who says so")
    adding.add_argument("--reason", metavar="TEXT", default="", help="why")
    until = adding.add_mutually_exclusive_group(required=True)
    until.add_argument(
        "--for", dest="lasts", metavar="DURATION", type=duration, help="for 30m, 2h, 7d ...; at most 90d"
    )
    until.add_argument(
        "--until", metavar="END", type=end, help="until a time (2026-11-23T18:00:00Z), or the end of a day in UTC"
    )
    configured(adding, _add, of_collector=True)
    listing = command(
        inner,
        "list",
        brief="show silences",
        text="Shows the silences that are in force.",
        examples="gatecrier silence list --expired",
    )
    listing.add_argument("--expired", action="store_true", help="those that have ended, too")
    configured(listing, _list, of_collector=True)
    forms(listing)
    show = command(
        inner,
        "show",
        brief="show a silence, and what it holds back now",
        text="Shows a silence, and what it holds back from whom now. Exit code 1 if there is no such silence.",
        examples="gatecrier silence show ID",
    )
    show.add_argument("id", metavar="ID", help="its id")
    configured(show, _show, of_collector=True)
    forms(show)
    expire = command(
        inner,
        "expire",
        brief="end a silence now",
        text="Ends a silence now; destinations from which something was held back get a summary. Exit code 1 if no "
        "such silence is in force.",
        examples="gatecrier silence expire ID --author alice",
    )
    expire.add_argument("id", metavar="ID", help="its id")
    expire.add_argument("--author", metavar="NAME", required=True, help="who says so")
    configured(expire, _expire, of_collector=True)


def _add(arguments: argparse.Namespace) -> int:
    from router.errors import ConfigurationError  # noqa: PLC0415 - imported only where it is needed
    from router.incidents import silences  # noqa: PLC0415 - the same

    now = time.time()
    ends_at = now + arguments.lasts if arguments.until is None else arguments.until
    try:
        silence = silences.new(arguments.matcher, arguments.author, arguments.reason, now=now, ends_at=ends_at)
    except ConfigurationError as error:
        raise MisusedError(str(error)) from error

    async def added() -> None:
        async with events.opened(arguments.config) as records:
            await records.change(partial(silences.add, silence=silence), is_decided=True)

    asyncio.run(added())
    print(silence.id)
    print(f"until {moment(silence.ends_at)}", file=sys.stderr)  # beside the id, for programs take that
    return YES


def _list(arguments: argparse.Namespace) -> int:
    from router.incidents import silences  # noqa: PLC0415 - as above

    async def found() -> Sequence[Silence]:
        async with events.opened(arguments.config) as records:
            return await records.read(partial(silences.silences, limit=LISTED))

    def ask() -> CommandAnswer:
        now = time.time()
        some = [one for one in asyncio.run(found()) if arguments.expired or one.is_in_force(now)]
        heads = ("ID", "UNTIL", "HELD BACK", "AUTHOR", "REASON", "MATCHERS")
        text = table(heads, [_cells(one) for one in some], nothing="nothing is silenced")
        return CommandAnswer([_object(one, now) for one in some], text)

    return answered(arguments, ask)


def _show(arguments: argparse.Namespace) -> int:
    from router.incidents import reading, silences  # noqa: PLC0415 - as above

    async def found() -> tuple[Silence | None, Sequence[HeldMessages]]:
        async with events.opened(arguments.config) as records:
            one = await records.read(partial(silences.silence, silence_id=arguments.id))
            return one, await records.read(partial(reading.held_by, source=arguments.id))

    def ask() -> CommandAnswer:
        one, held = asyncio.run(found())
        if one is None:
            return CommandAnswer((), f"there is no silence {_named(arguments.id)}", NO)
        rows = [(each.destination, str(each.events), each.incident) for each in held]
        holds = table(("DESTINATION", "EVENTS", "INCIDENT"), rows, nothing="it holds nothing back now")
        lines = [f"{name}: {value}" for name, value in _object(one, time.time()).items() if value is not None]
        objects = [{"destination": each.destination, "events": each.events, "incident": each.incident} for each in held]
        return CommandAnswer(
            [{**_object(one, time.time()), "holds_back": objects}], "\n".join([*_shown(lines), "", holds])
        )

    return answered(arguments, ask)


def _expire(arguments: argparse.Namespace) -> int:
    from router.incidents import silences  # noqa: PLC0415 - as above

    expire = partial(silences.expire, silence_id=arguments.id, author=arguments.author, now=time.time())

    async def ended() -> int:
        async with events.opened(arguments.config) as records:
            return await records.change(expire, is_decided=True)

    is_ended = asyncio.run(ended())
    print("the silence has ended" if is_ended else f"no silence {_named(arguments.id)} is in force")
    return YES if is_ended else NO


def _named(silence_id: str) -> str:
    return one_line(cut(silence_id, SHOWN))


def _cells(one: Silence) -> Sequence[str]:
    matchers = " and ".join(one.matchers)
    return _shown([one.id, moment(one.ends_at), str(one.suppressed), one.author, one.reason, matchers])


def _shown(texts: Sequence[str]) -> list[str]:
    return [one_line(text) for text in texts]


def _object(one: Silence, now: float) -> Object:
    return {
        "id": one.id,
        "matchers": list(one.matchers),
        "author": one.author,
        "reason": one.reason,
        "created_at": moment(one.created_at),
        "ends_at": moment(one.ends_at),
        "ended_by": one.ended_by or None,
        "is_in_force": one.is_in_force(now),
        "suppressed": one.suppressed,
        "matched_at": moment_or_none(one.matched_at),
    }
