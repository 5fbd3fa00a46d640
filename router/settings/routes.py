"""Cross-checks of routes, in words: names that lead nowhere, and what could never be. Pure.

Rules:
(1) The root takes every event: it has no matchers and nothing to `continue` to. One without destinations of its own
    tells nobody of what no route takes, which is a warning.
(2) `destinations` and `templates` name destinations, `active` and `mute` name `time_intervals`.
(3) What the tree itself can't mean is said in `router.routing.checks`. A route of which something was left out
    (`sections`) is held against no other one: what was meant is not known.
(4) A destination whose receipt an admission waits for (`must_deliver`) is told of events by themselves.
(5) Where nobody is told of Gatecrier itself (`about: [gatecrier]`), that is a note: a destination that fails can't say
    so itself. It is a warning where the configuration relies on what nobody would hear of: silences, which only the
    incidents lane has, a `rate`, and a destination that requests wait for (`must_deliver`). Whether anybody is told is
    asked of the tree, with examples of what would be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.events import NoticeEvent
from router.rendering.examples import NOTICES, SUMMARIES, TROUBLES, UNMATCHED
from router.routing import RouteSettings, RoutingTree
from router.routing.checks import RouteNode, nodes, told_of_incidents_only, unreachable, without_incidents
from router.settings.problems import ConfigurationFinding, Path, path_text
from router.settings.sections import RoutesSection, TellingItems, names
from router.settings.tree import Settings
from router.text import advice, shown

ROOT: Path = ("routes",)


def routes(telling: TellingItems, *, is_missing: bool) -> Iterator[ConfigurationFinding]:
    """Everything that is wrong with the tree of routes; `is_missing` where there is none."""
    if is_missing and names(telling.destinations):
        yield ConfigurationFinding(
            ROOT, "is missing; expected the destinations that are told, such as `destinations: [...]`"
        )
    if (tree := telling.routes) is None:
        return
    yield from _root(tree.root)
    declared, intervals = names(telling.destinations), names(telling.time_intervals)
    for node in nodes(tree.root):
        yield from _dangling(node, declared, intervals)
    yield from _unreachable(tree)
    for place in filter(tree.is_whole, without_incidents(tree.root)):
        text = "is for messages about incidents; say `lane: incidents`, or name the template at the destination"
        yield ConfigurationFinding((*ROOT, *place, "templates"), text, at_key=True)
    if tree.is_whole(()):
        yield from _never_told_alone(telling, tree)


def _root(root: RouteSettings) -> Iterator[ConfigurationFinding]:
    if root.match:
        text = "the root takes every event; move its matchers to a route beneath it"
        yield ConfigurationFinding((*ROOT, "match"), text, at_key=True)
    if root.continue_:
        yield ConfigurationFinding((*ROOT, "continue"), "the root has no siblings to continue to; drop it", at_key=True)


def _dangling(node: RouteNode, declared: Sequence[str], intervals: Sequence[str]) -> Iterator[ConfigurationFinding]:
    here, route = (*ROOT, *node.place), node.route
    for index, name in enumerate(route.destinations):
        if name not in declared:
            text = f"{shown(name)} names no destination; {advice(name, declared)}"
            yield ConfigurationFinding((*here, "destinations", index), text)
    for key, named in (("active", route.active), ("mute", route.mute)):
        for index, name in enumerate(named or ()):
            if name not in intervals:
                text = f"{shown(name)} names none of time_intervals; {advice(name, intervals)}"
                yield ConfigurationFinding((*here, key, index), text)
    for name in route.templates:
        if name not in declared:
            text = f"{shown(name)} names no destination; {advice(name, declared)}"
            yield ConfigurationFinding((*here, "templates", name), text, at_key=True)


def _unreachable(tree: RoutesSection) -> Iterator[ConfigurationFinding]:
    for place, winner in unreachable(tree.root):
        if tree.is_whole(place) and tree.is_whole(winner):
            before = path_text((*ROOT, *winner))
            remedy = f"move this one before it, or let {before} `continue`"
            text = f"no event reaches this route, because {before} takes all of it; {remedy}"
            yield ConfigurationFinding((*ROOT, *place), text)


def _never_told_alone(telling: TellingItems, tree: RoutesSection) -> Iterator[ConfigurationFinding]:
    only = told_of_incidents_only(tree.root)
    for item in telling.destinations:
        if item.value is not None and item.value.must_deliver and item.name in only:
            text = (
                "only routes of the incidents lane tell it, so that there is no receipt to wait for; "
                "drop it, or add a route of the events lane"
            )
            yield ConfigurationFinding(("destinations", item.index, "must_deliver"), text)


def unused(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Warnings: destinations that no route names, or none at all."""
    if not settings.destinations:
        yield ConfigurationFinding(("destinations",), "there is no destination: events are only kept in the outbox")
    elif not settings.routes.destinations:
        yield ConfigurationFinding(ROOT, "the root names no destinations: nobody is told of events that no route takes")
    told = {name for node in nodes(settings.routes) for name in node.route.destinations}
    for index, destination in enumerate(settings.destinations):
        if destination.name not in told:
            text = f"no route tells the destination {shown(destination.name)}"
            yield ConfigurationFinding(("destinations", index, "name"), text)


def unheard(settings: Settings) -> Iterator[ConfigurationFinding]:
    """A warning where the configuration relies on what nobody would hear of."""
    lost = _unheard_of(settings)
    if lost:
        yield ConfigurationFinding(ROOT, f"nobody is told of {', nor of '.join(lost)}: {_HEARING}", at_key=True)


def deaf(settings: Settings) -> Iterator[ConfigurationFinding]:
    """A note where destinations are told of decisions, and nobody of Gatecrier itself; unless that is a warning."""
    if settings.destinations and not _is_heard(settings, NOTICES) and not _unheard_of(settings):
        text = f"nobody is told of what is wrong with Gatecrier itself, such as a destination that fails: {_HEARING}"
        yield ConfigurationFinding(ROOT, text, at_key=True)


_HEARING = "add a route that says `about: [gatecrier]` and names a destination"


def _unheard_of(settings: Settings) -> Sequence[str]:
    """What the configuration relies on and nobody would be told of, in words."""
    limited = [shown(one.name) for one in settings.destinations if one.rate is not None]
    awaited = [shown(one.name) for one in settings.destinations if one.must_deliver]
    failing = [one for one in TROUBLES if one["data"]["notice"]["facts"]["cause"].of == "destination"]
    lost = []
    if any(node.route.lane == "incidents" for node in nodes(settings.routes)) and not _is_heard(settings, [UNMATCHED]):
        lost.append("a silence that matches nothing")
    if limited and not _is_heard(settings, [SUMMARIES["rate"]]):
        lost.append(f"what is beyond the rate of {' and '.join(limited)}")
    if (lost or awaited) and not _is_heard(settings, failing):
        lost.append("a destination that fails")
        lost[-1] += f", though requests wait for {' and '.join(awaited)}" if awaited else ""
    return lost


def _is_heard(settings: Settings, notices: Sequence[NoticeEvent]) -> bool:
    """Whether anybody is told of any of these."""
    tree = RoutingTree(settings.routes)
    return any(tree.of_gatecrier(notice["data"], None) for notice in notices)
