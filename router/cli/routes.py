"""`gatecrier routes`: the tree as it is configured, and who would be told of an event, and why not who else."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms
from router.cli.events import inside, not_stored
from router.cli.exit_codes import NO, YES
from router.cli.explain import route_lines, step_object
from router.cli.parsing import command, configured, group
from router.cli.supposed import SUPPOSABLE, event_meant, supposing
from router.cli.tables import table
from router.errors import MisusedError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cli.parsing import Subcommands
    from router.destinations.uses import Use
    from router.routing import RouteSettings, RouteStep


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "routes",
        brief="show the tree of routes, or test who would be told of an event",
        examples="gatecrier routes show\ngatecrier routes test --namespace payments --verdict unsigned",
    )
    show = command(
        inner,
        "show",
        brief="draw the tree",
        text="Draws the tree of routes, and what each says beside its place.",
        examples="gatecrier routes show --config gatecrier.yaml",
    )
    configured(show, _show)
    forms(show)
    test = command(
        inner,
        "test",
        brief="say who would be told of an event, and why not who else",
        text="Says who would be told of an event, by which route and template, and of every other destination "
        "why it would not. The event is a stored one (EVENT_ID), one in a file, or one that the options suppose: what "
        "no option says is what the configuration would make of it. Exit code 1 if nobody would be told.",
        examples="gatecrier routes test --namespace payments --owner Deployment/web\ngatecrier routes test event.json",
    )
    test.add_argument("event", metavar="EVENT_ID|FILE", nargs="?", help="a stored event, or a file with one as JSON")
    supposing(test)
    configured(test, _test)
    forms(test)


def _show(arguments: argparse.Namespace) -> int:
    from router.settings.routes_part import routes_of  # noqa: PLC0415 - imported only where it is needed

    def ask() -> CommandAnswer:
        drawn = list(_drawn(routes_of(arguments.config).routes, "routes", 0, "root"))
        lines = [f"{'  ' * depth}{label}: {_said(route)}" for _, depth, label, route in drawn]
        return CommandAnswer([{"path": path, **_written(route)} for path, _, _, route in drawn], "\n".join(lines))

    return answered(arguments, ask)


def _drawn(route: RouteSettings, path: str, depth: int, label: str) -> Iterator[tuple[str, int, str, RouteSettings]]:
    yield path, depth, label, route
    for number, child in enumerate(route.routes):
        yield from _drawn(child, f"{path}.routes[{number}]", depth + 1, f"routes[{number}]")


def _written(route: RouteSettings) -> Mapping[str, object]:
    """What an operator has written in this node, under the names that he used."""
    return route.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"routes"})


def _said(route: RouteSettings) -> str:
    written = dict(_written(route))
    for shown in ("match", "destinations"):
        written.pop(shown, None)
    parts = [" and ".join(route.match) or "everything", f"-> {', '.join(route.destinations) or 'as its parent'}"]
    parts += [f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in written.items()]
    return "  ".join(parts)


def _test(arguments: argparse.Namespace) -> int:
    from router.routing import steps  # noqa: PLC0415 - as above
    from router.settings.routes_part import routes_of  # noqa: PLC0415 - the same
    from router.settings.templates_part import told_by  # noqa: PLC0415 - the same

    supposed = [name for name in SUPPOSABLE if getattr(arguments, name) is not None]
    if (arguments.event is not None) is bool(supposed):
        raise MisusedError("say an event by its id or file, or suppose one: --namespace N --verdict V ...")

    def ask() -> CommandAnswer:
        part, uses = routes_of(arguments.config), {name: one.uses for name, one in told_by(arguments.config).items()}
        try:
            event = event_meant(arguments, part)
        except ValueError as error:
            raise MisusedError(str(error)) from error
        if event is None:
            return CommandAnswer((), f"{not_stored(arguments.event)}, and there is no such file", NO)
        asked = steps(part.routes, inside(event, "data"), part.incidents)
        told = _by_lane(asked, event, uses)
        names = {one.destination for one in told}
        missed = {name: _why_not(name, asked) for name in uses if name not in names}
        objects: list[Object] = [one.as_object() for one in told]
        objects += [{"destination": name, "is_told": False, "because": why} for name, why in missed.items()]
        return CommandAnswer(objects, _text(event, asked, told, missed), YES if told else NO)

    return answered(arguments, ask)


@dataclass(frozen=True, slots=True)
class _Told:
    """That a destination is told, in one lane."""

    destination: str
    lane: str
    template: str | None
    severity: str
    step: RouteStep

    def as_object(self) -> Object:
        """For programs."""
        return {
            "destination": self.destination,
            "is_told": True,
            "lane": self.lane,
            "template": self.template,
            "severity": self.severity,
            "route": step_object(self.step),
        }


def _by_lane(
    asked: Sequence[RouteStep], event: Mapping[str, object], uses: Mapping[str, Sequence[Use]]
) -> Sequence[_Told]:
    """Who is told in which lane, none twice in one; what is told of Gatecrier itself is in the events lane."""
    from router.destinations.uses import own  # noqa: PLC0415 - as above

    data = inside(event, "data")
    of_event = str((inside(data, "decision") or inside(data, "notice")).get("severity", ""))
    told: dict[tuple[str, str], _Told] = {}
    for step in asked:
        lane = "events" if "notice" in data else step.of.lane
        for name in step.told:
            named = step.of.templates.get(name) if lane == "incidents" else None
            severity = (step.of.how.severity if lane == "incidents" else None) or of_event
            template = named or own(uses.get(name, ()), "incident" if lane == "incidents" else "decision")
            told.setdefault((name, lane), _Told(name, lane, template, severity, step))
    return list(told.values())


def _why_not(name: str, asked: Sequence[RouteStep]) -> Sequence[str]:
    """Why no route that names a destination told it; or why the routes above those were not gone beyond."""
    reasons = [
        f"{step.path}: {step.why}"
        for step in asked
        if name in step.destinations or (not step.is_gone_beyond and _names(step.route, name))
    ]
    return reasons or ["no route names it"]


def _names(route: RouteSettings, name: str) -> bool:
    return name in route.destinations or any(_names(child, name) for child in route.routes)


def _text(
    event: Mapping[str, object],
    asked: Sequence[RouteStep],
    told: Sequence[_Told],
    missed: Mapping[str, Sequence[str]],
) -> str:
    decision = inside(inside(event, "data"), "decision") or inside(inside(event, "data"), "notice")
    about = [str(decision[key]) for key in ("outcome", "mode", "severity") if key in decision]
    rows = [(one.destination, one.lane, one.severity, one.template or "(the event)", one.step.path) for one in told]
    lines = [f"event: {event.get('subject')} ({', '.join(about)})", ""]
    lines += [
        "told:",
        *_indented(table(("DESTINATION", "LANE", "SEVERITY", "TEMPLATE", "ROUTE"), rows, nothing="nobody")),
        "",
    ]
    lines += ["not told, because:"]
    lines += [f"  {name}: {'; '.join(why)}" for name, why in missed.items()] or ["  nobody is left"]
    return "\n".join(one_line(line) for line in [*lines, "", "routes:", *(f"  {one}" for one in route_lines(asked))])


def _indented(text: str) -> Sequence[str]:
    return [f"  {line}" for line in text.splitlines()]
