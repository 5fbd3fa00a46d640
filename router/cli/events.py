"""`gatecrier events`: what was decided, as it is stored: the last ones, one by its id, or those that matchers match."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, answered, forms
from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured, group, limited, recent
from router.cli.tables import table
from router.errors import MisusedError
from router.text import SHOWN, cut, one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from router.cli.parsing import Subcommands
    from router.outbox.records import SqliteRecords
    from router.outbox.stored import StoredEvent

PORTION = 500
"""Events that are read at once."""
_HEADS = ("TIME", "SEVERITY", "OUTCOME", "MODE", "SUBJECT", "VERDICTS", "EVENT")


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "events",
        brief="look at stored events: the last, one, or those that match",
        examples="gatecrier events tail --watch\ngatecrier events search 'images.verdict = unsigned'",
    )
    tail = command(
        inner,
        "tail",
        brief="show the last events",
        text="Shows the last events, the newest at the end. With --watch it goes on with those that come.",
        examples="gatecrier events tail -n 20\ngatecrier events tail --watch",
    )
    limited(tail, 10)
    show = command(
        inner,
        "show",
        brief="show events whole",
        text="Shows events whole, as they are delivered to whoever takes CloudEvents. Exit code 1 if one of them is "
        "not stored here.",
        examples="gatecrier events show ID --json",
    )
    show.add_argument("id", metavar="ID", nargs="+", help="id of an event")
    search = command(
        inner,
        "search",
        brief="find events by matchers, as routes are written",
        text="Shows events that all of these matchers match, newest first; matchers are written as in routes: "
        "'request.namespace =~ \"team-.*\"', 'images.verdict = unsigned'. Exit code 1 if there is none.",
        examples="gatecrier events search 'images.verdict = unsigned' --since 2h",
    )
    search.add_argument("matcher", metavar="MATCHER", nargs="+", help="FIELD OPERATOR VALUE")
    recent(search)
    limited(search, 100)
    for parser, run in ((tail, _tail), (show, _show), (search, _search)):
        configured(parser, run)
        forms(parser)


@asynccontextmanager
async def opened(config: Path) -> AsyncIterator[SqliteRecords]:
    """The outbox of a configuration, beside whoever owns it; raises GatecrierError."""
    from router.outbox.records import beside  # noqa: PLC0415 - imported only where it is needed
    from router.settings.part import outbox_settings  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")  # to standard error: programs take what is on the other
    records = await beside(outbox_settings(config).path)
    try:
        yield records
    finally:
        await records.close()


async def found(
    records: SqliteRecords, is_wanted: Callable[[Mapping[str, object]], bool], since: float, limit: int
) -> Sequence[StoredEvent]:
    """The newest events whose `data` is wanted and that were decided since then (seconds since 1970)."""
    from router.outbox.stored import LAST, Stretch  # noqa: PLC0415 - as above

    before = LAST
    chosen: list[StoredEvent] = []
    while some := await records.events(Stretch(before=before), PORTION):
        before = some[-1].number.sequence
        recent = [one for one in some if one.at >= since]
        chosen += [one for one in recent if is_wanted(data_of(one))]
        if len(chosen) >= limit or not recent:  # in the order of storing, which is that of deciding but for moments
            break
    return chosen[:limit]


def data_of(event: StoredEvent) -> Mapping[str, object]:
    """What matchers look at."""
    data: Mapping[str, object] = json.loads(event.body)["data"]
    return data


def _tail(arguments: argparse.Namespace) -> int:
    last: int | None = None

    async def new() -> Sequence[StoredEvent]:
        from router.outbox.stored import Stretch  # noqa: PLC0415 - as above

        async with opened(arguments.config) as records:
            if last is None:
                return (await records.events(Stretch(), arguments.limit))[::-1]
            return await records.events(Stretch(after=last, is_oldest_first=True), PORTION)

    def ask() -> CommandAnswer:
        nonlocal last
        events, is_first = asyncio.run(new()), last is None
        last = events[-1].number.sequence if events else last or 0
        text = _text(events, "no event is stored yet" if is_first else "")
        return CommandAnswer(_objects(events), text if is_first else text.partition("\n")[2], is_news=True)

    return answered(arguments, ask)


def not_stored(event_id: str) -> str:
    """What is said of an id that no event here has."""
    return f"no event {one_line(cut(event_id, SHOWN))} is stored here"


def _show(arguments: argparse.Namespace) -> int:
    from router.outbox.stored import Stretch  # noqa: PLC0415 - as above

    async def events() -> Sequence[StoredEvent]:
        async with opened(arguments.config) as records:
            return await records.events(Stretch(ids=arguments.id), len(arguments.id))

    def ask() -> CommandAnswer:
        objects = _objects(asyncio.run(events()))
        missing = [one for one in arguments.id if one not in {event["id"] for event in objects}]
        texts = [json.dumps(one, indent=2) for one in objects]
        texts += [not_stored(one) for one in missing]
        return CommandAnswer(objects, "\n".join(texts), NO if missing else YES)

    return answered(arguments, ask)


def _search(arguments: argparse.Namespace) -> int:
    from router.routing import parse_matcher  # noqa: PLC0415 - as above

    try:
        tests = [parse_matcher(text).compiled() for text in arguments.matcher]
    except ValueError as error:
        raise MisusedError(str(error)) from error

    async def events() -> Sequence[StoredEvent]:
        since = 0.0 if arguments.since is None else time.time() - arguments.since
        async with opened(arguments.config) as records:
            return await found(records, lambda data: all(test(data) for test in tests), since, arguments.limit)

    def ask() -> CommandAnswer:
        matching = asyncio.run(events())
        return CommandAnswer(_objects(matching), _text(matching, "no event matches"), YES if matching else NO)

    return answered(arguments, ask)


def _objects(events: Sequence[StoredEvent]) -> Sequence[dict[str, object]]:
    return [json.loads(one.body) for one in events]


def _text(events: Sequence[StoredEvent], nothing: str) -> str:
    return table(_HEADS, map(_cells, _objects(events)), nothing=nothing)


def _cells(event: Mapping[str, object]) -> Sequence[str]:
    """An event on one line, whatever kind of event it is."""
    data = inside(event, "data")
    decision, images = inside(data, "decision"), data.get("images")
    verdicts = [str(one["verdict"]) for one in images] if isinstance(images, list) else []
    told = (
        event.get("time"),
        decision.get("severity") or inside(data, "notice").get("severity"),
        decision.get("outcome"),
        decision.get("mode"),
        event.get("subject"),
        " ".join(dict.fromkeys(verdicts)),
        event.get("id"),
    )
    return [one_line(str(one)) if one else "-" for one in told]


def inside(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A member that is an object; an empty one of any other."""
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
