"""`gatecrier explain`: what became of an event: what was decided, which routes took it, every attempt, and the next."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from router.cli import deliveries, elsewhere, events, incidents
from router.cli.answering import CommandAnswer, Object, answered, forms, moment
from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, configured, limited, recent
from router.errors import MisusedError, ReplicaError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cli.parsing import Subcommands
    from router.incidents.incident import Incident
    from router.outbox import Attempt, DeliveryRow
    from router.outbox.records import SqliteRecords
    from router.outbox.stored import StoredEvent
    from router.routing import RouteStep

DELIVERIES = 1000
"""Deliveries of one event that are looked at: there is one for each destination."""
_FILTERS = ("namespace", "name", "image")


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "explain",
        brief="tell what became of an event, and why",
        text="Tells of an event, or of those that the options find, newest first: what was decided, which "
        "routes of the configuration take it and why, and of each destination every attempt (when, how long, status, "
        "reason, the receiver's own words) and the next. Of several replicas each knows what it has decided itself; of "
        "what is not stored where it is asked, and of incidents, the collector is asked. Exit code 1 if there is no "
        "such event.",
        examples="gatecrier explain ID\ngatecrier explain --namespace payments --since 1h",
    )
    parser.add_argument(
        "id",
        metavar="EVENT_ID|INCIDENT_ID",
        nargs="?",
        help="id of an event, or of an incident, of which its events are told",
    )
    parser.add_argument("--namespace", metavar="N", help="of this namespace")
    parser.add_argument("--name", metavar="P", help="of an object of this name, or made of this one's template")
    parser.add_argument("--image", metavar="I", help="with an image in whose name this stands")
    recent(parser)
    limited(parser, 5)
    configured(parser, _explain, asks_collector=True)
    forms(parser)


@dataclass(frozen=True, slots=True)
class _Story:
    """All that is known of one event."""

    event: Mapping[str, object]
    steps: Sequence[RouteStep]
    rows: Sequence[DeliveryRow]
    incidents: Sequence[Incident] = ()
    decided_by: str = ""
    """Which other replica has decided it, and delivers it; empty where this one does."""


def _explain(arguments: argparse.Namespace) -> int:
    if (arguments.id is None) is all(getattr(arguments, name) is None for name in _FILTERS):
        raise MisusedError("name an event by its id, or what it is about: --namespace, --name, --image")
    there = elsewhere.collector(arguments)
    if there is not None and arguments.id is not None and not asyncio.run(_is_stored(arguments)):
        return elsewhere.passed_on(there, arguments, arguments.argv)

    def ask() -> CommandAnswer:
        stories = asyncio.run(_found(arguments))
        nothing = "no such event is stored here" if arguments.id else "no event is about that"
        text = "\n\n".join("\n".join(_lines(one)) for one in stories)
        if there is not None and stories:
            said, known, problems = _incidents_of(there, arguments)
            return CommandAnswer([_object(one, known) for one in stories], f"{text}\n\n{said}", YES, problems)
        return CommandAnswer([_object(one, ()) for one in stories], text or nothing, YES if stories else NO)

    return answered(arguments, ask)


def _incidents_of(
    there: elsewhere.Collector, arguments: argparse.Namespace
) -> tuple[str, Sequence[Object] | None, Sequence[str]]:
    """What the collector says of the event's incidents: as text, as objects, and what is wrong."""
    if arguments.id is None:
        return "incidents: ask by the id of an event", None, ()
    is_for_programs = arguments.json or arguments.jsonl
    asked = ["incidents", "list", "--all", "--event", arguments.id, *(["--json"] if is_for_programs else [])]
    try:
        printed = elsewhere.answer_of(there, asked)
    except ReplicaError as error:
        return "incidents: not known", None, [str(error)]
    if printed.exit_code != YES:
        return "incidents: not known", None, [one_line(printed.errors.decode(errors="replace"))]
    text = printed.output.decode(errors="replace")
    return f"incidents:\n{text.rstrip()}", json.loads(text) if is_for_programs else None, ()


async def _is_stored(arguments: argparse.Namespace) -> bool:
    async with events.opened(arguments.config) as records:
        return bool(await _events(records, arguments))


async def _found(arguments: argparse.Namespace) -> Sequence[_Story]:
    from router.incidents import reading  # noqa: PLC0415 - imported only where it is needed
    from router.outbox import DeliverySelection  # noqa: PLC0415 - the same
    from router.routing import steps  # noqa: PLC0415 - the same
    from router.settings.routes_part import routes_of  # noqa: PLC0415 - the same

    part = routes_of(arguments.config)
    stories = list[_Story]()
    async with events.opened(arguments.config) as records:
        for one in await _events(records, arguments):
            event = json.loads(one.body)
            rows = await records.deliveries(DeliverySelection(events=[one.id]), DELIVERIES)
            counted = await records.read(partial(reading.incidents, limit=100, namespace=None, only=None, event=one.id))
            by = one.number.replica if one.is_collected else ""
            stories.append(_Story(event, steps(part.routes, event["data"], part.incidents), rows, counted[::-1], by))
    return stories


async def _events(records: SqliteRecords, arguments: argparse.Namespace) -> Sequence[StoredEvent]:
    from router.incidents import reading  # noqa: PLC0415 - as above
    from router.outbox.stored import Stretch  # noqa: PLC0415 - as above

    if arguments.id is not None:
        if (incident := await records.read(partial(reading.incident, incident_id=arguments.id))) is not None:
            ids = await records.read(partial(reading.events_of, incident=incident, limit=arguments.limit))
            return await records.events(Stretch(ids=ids), arguments.limit) if ids else ()
        return await records.events(Stretch(ids=[arguments.id]), 1)

    def is_wanted(data: Mapping[str, object]) -> bool:
        return _is_about(data, arguments.namespace, arguments.name, arguments.image)

    since = 0.0 if arguments.since is None else time.time() - arguments.since
    return await events.found(records, is_wanted, since, arguments.limit)


def _is_about(data: Mapping[str, object], namespace: str | None, name: str | None, image: str | None) -> bool:
    from router.routing.fields import reader  # noqa: PLC0415 - as above

    names = [one for field in ("request.name", "request.generate_name", "workload.name") for one in reader(field)(data)]
    names += reader("workload.owner.name")(data)
    return (
        (namespace is None or namespace in reader("request.namespace")(data))
        and (name is None or name in names)
        and (image is None or any(image in one for one in reader("images.image")(data)))
    )


def _object(story: _Story, others: Sequence[Object] | None) -> Object:
    """One event, with what the collector knows of its incidents; None where that is not known."""
    return {
        "event": story.event,
        "routes": [step_object(step) for step in story.steps],
        "deliveries": [deliveries.as_object(row) for row in story.rows],
        "incidents": None if others is None else [*map(incidents.as_object, story.incidents), *others],
        "decided_by": story.decided_by or None,
    }


def step_object(step: RouteStep) -> Object:
    """What a route said of an event, for programs."""
    return {"path": step.path, "said": step.said.value, "why": step.why, "told": step.told}


def _lines(story: _Story) -> Iterator[str]:
    event = story.event
    yield one_line(f"event {event['id']}, {event['subject']}, {event['time']}")
    yield from (f"  {one_line(line)}" for line in _decided(event))
    yield ""
    yield "routes of the configuration as it is now:"
    yield from (f"  {one_line(line)}" for line in route_lines(story.steps))
    yield ""
    yield "deliveries, by the routes that were in force when it was decided:"
    for row in story.rows:
        yield from (f"  {one_line(line)}" for line in _delivery(row))
    if story.decided_by:
        yield one_line(f"  it was decided by {story.decided_by}, which delivers it: ask there")
    elif not story.rows:
        yield "  none: no route named a destination for it"
    for one in story.incidents:
        yield ""
        yield from incidents.lines_of(one)


def _decided(event: Mapping[str, object]) -> Iterator[str]:
    data = events.inside(event, "data")
    if notice := events.inside(data, "notice"):
        yield f"told of Gatecrier itself: {notice['title']} ({notice['severity']})"
        return
    if incident := events.inside(data, "incident"):
        yield f"message about incident {incident['number']} ({incident['id']}): {incident['state']}"
        return
    decision, user = events.inside(data, "decision"), events.inside(events.inside(data, "request"), "user")["name"]
    would = ", would have been rejected" if decision["would_reject"] and decision["outcome"] != "rejected" else ""
    yield f"{decision['outcome']}{would}; mode {decision['mode']}, severity {decision['severity']}, asked by {user}"
    if data.get("corrects"):
        yield f"corrects {data['corrects']}"
    images = data["images"]
    for image in images if isinstance(images, list) else ():
        rule = f'rule "{image["rule"]}"' if image["rule"] else "no rule"
        detail = f": {image['detail']}" if image["detail"] else ""
        place = f"{image['image']} (container {image['container']})"
        yield f"{place}: {image['verdict']} ({image['reason']}), {rule}{detail}"
    if omitted := events.inside(data, "images_omitted"):
        yield f"and {omitted['count']} more images"


def route_lines(steps: Sequence[RouteStep]) -> Iterator[str]:
    """What each route said of an event, for people."""
    for step in steps:
        told = f" -> {', '.join(step.told) or 'nobody'}" if step.said == "tells" else ""
        yield f"{'  ' * step.depth}{step.path.rpartition('.')[2]}: {step.said.replace('_', ' ')}, {step.why}{told}"


def _delivery(row: DeliveryRow) -> Iterator[str]:
    times = f"{row.attempts} attempt{'' if row.attempts == 1 else 's'}"
    following = ""
    if row.state == "pending":
        following = ", next " + ("as soon as it can be" if row.due_at is None else moment(row.due_at))
    yield f"{row.destination}: {row.state.replace('_', ' ')}, {times}{following}"
    left_out = row.attempts - len(row.tried)
    for number, attempt in enumerate(row.tried):
        yield f"  {_attempt(attempt)}"
        if number == 0 and left_out > 0:
            yield f"  ... {left_out} more"
    if row.reason and (not row.tried or row.tried[-1].reason != row.reason):
        yield f"  {row.reason}{f': {row.words}' if row.words else ''}"


def _attempt(attempt: Attempt) -> str:
    status = "" if attempt.status is None else f", status {attempt.status}"
    words = f', said "{attempt.words}"' if attempt.words else ""
    came_to = "delivered" if attempt.is_accepted else attempt.reason
    return f"{moment(attempt.at)}  {came_to} in {attempt.seconds * 1000:.0f} ms{status}{words}"
