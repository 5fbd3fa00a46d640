"""The tree of routes: which destinations are told of an event, in the sense of Alertmanager (pure).

Rules (Alertmanager, `dispatch/route.go`, Route.Match):
(1) A node takes an event that all of its matchers match; a node without matchers takes everything.
(2) The children of a node that takes an event are tried in order. The first that takes it ends the search among its
    siblings, unless it says `continue`.
(3) A node tells its own destinations only where no child took the event; so the deepest nodes that match are those
    that count.
(4) A node that names no destinations has those of its parent, and one that does not say what it is about tells of what
    its parent tells of; the root tells of decisions.
(5) What a node is about says what it tells, not what reaches its children: a node that is not about an event takes it
    only if a child does, and else the search goes on among its siblings. So `about` may stand anywhere in the tree.
(6) A route tells in one lane, its parent's where it names none, the root's is events. Severity, grouping, intervals and
    templates of the incidents lane are inherited one by one; the root has those of `incidents`.
(7) What was let in by break-glass is told by every route of the incidents lane besides, whatever its matchers and its
    severity say.
(7) Of Gatecrier itself nobody is told who is the trouble, for he would hear of it last; but for him who is the only one
    that is to be told: he learns what he has missed.

Everything is compiled once: this runs for every admission request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from router.routing.incident_settings import IncidentSettings
from router.routing.lanes import IncidentRoute, Routed
from router.routing.matchers import Test, parse_matcher
from router.routing.settings import About, LaneName, RouteSettings

OF_ROOT: tuple[About, ...] = ("decisions",)
"""What the root tells of, where it does not say."""
KNOWN = 256
"""Sets of nodes of which it is remembered whom they tell."""
_SEVERITIES = ("critical", "high", "medium", "info")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What a node tells, and how: its own words, or inherited ones."""

    destinations: tuple[str, ...] = ()
    about: tuple[About, ...] = OF_ROOT
    lane: LaneName = "events"
    how: IncidentRoute = field(default_factory=lambda: IncidentRoute(""))
    templates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, defaults: IncidentSettings) -> NodeSettings:
        """What holds above the root."""
        return cls(
            how=IncidentRoute("", repeat_interval=defaults.repeat_interval, group_interval=defaults.group_interval)
        )

    def refined(self, settings: RouteSettings) -> NodeSettings:
        """What a child with these settings says."""
        words = {
            name: value
            for name in ("severity", "group_by", "repeat_interval", "group_interval", "active", "mute")
            if (value := getattr(settings, name)) is not None
        }
        return NodeSettings(
            settings.destinations or self.destinations,
            settings.about or self.about,
            settings.lane or self.lane,
            structs.replace(self.how, **words),
            {**self.templates, **settings.templates},
        )

    @property
    def incident_routes(self) -> tuple[IncidentRoute, ...]:
        """How each of its destinations is told of incidents."""
        return tuple(
            structs.replace(self.how, destination=name, template=self.templates.get(name, ""))
            for name in self.destinations
        )


@dataclass(frozen=True, slots=True)
class _Node:
    tests: tuple[Test, ...]
    said: NodeSettings
    incident_routes: tuple[IncidentRoute, ...]
    """Empty in the events lane."""
    continues: bool
    children: tuple[_Node, ...]


class RoutingTree:
    """Who is told of which event.

    Raises:
        ValueError: A matcher of the settings is none; the text says what to write.
    """

    def __init__(self, settings: RouteSettings, incidents: IncidentSettings | None = None) -> None:
        self._root = _compiled(settings, NodeSettings.of(incidents or IncidentSettings()))
        self._of_incidents = tuple(_of_incidents(self._root))
        self._known: dict[tuple[object, ...], Routed] = {}

    def routed(self, data: Mapping[str, object], severity: str) -> Routed:
        """Who is told of a decision with this `data` and severity, in the order of the tree, none twice."""
        taken: list[_Node] = []
        _visit(self._root, "decisions", data, taken)
        is_broken = is_break_glass(data)
        key = severity, is_broken, *map(id, taken)  # nodes live as long as the tree
        if (known := self._known.get(key)) is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[key] = self._told_by(taken, severity, is_break_glass=is_broken)
        return known

    def _told_by(self, taken: Sequence[_Node], severity: str, *, is_break_glass: bool) -> Routed:
        events, incidents = dict[str, None](), dict[str, IncidentRoute]()
        for node in taken:
            if node.said.lane == "events":
                events.update(dict.fromkeys(node.said.destinations))
            for route in node.incident_routes:
                _merge(incidents, route, severity)
        if is_break_glass:
            for route in self._of_incidents:
                _merge(incidents, structs.replace(route, severity=None), severity)
        return Routed(tuple(events), tuple(incidents.values()))

    def of_scan(self, data: Mapping[str, object]) -> tuple[str, ...]:
        """The names of those who are told of a scan's finding with this `data`: in the tree's order, none twice."""
        taken: list[_Node] = []
        _visit(self._root, "scan", data, taken)
        return tuple(dict.fromkeys(name for node in taken for name in node.said.destinations))

    def of_gatecrier(self, data: Mapping[str, object], trouble: str | None) -> tuple[str, ...]:
        """The names of those who are told of a notice with this `data`; `trouble` is the destination that it is about.

        In the order of the tree, none twice.
        """
        taken: list[_Node] = []
        _visit(self._root, "gatecrier", data, taken)
        told = tuple(dict.fromkeys(name for node in taken for name in node.said.destinations))
        return tuple(name for name in told if name != trouble) or told


def is_break_glass(data: Mapping[str, object]) -> bool:
    """Whether an event with this `data` tells that something was let in by break-glass."""
    decision = data.get("decision")
    return isinstance(decision, dict) and decision.get("break_glass") is not None


def _of_incidents(node: _Node) -> Iterator[IncidentRoute]:
    """Every route of the incidents lane that tells of decisions, in the order of the tree."""
    for child in node.children:
        yield from _of_incidents(child)
    if "decisions" in node.said.about:
        yield from node.incident_routes


def _merge(incidents: dict[str, IncidentRoute], route: IncidentRoute, severity: str) -> None:
    said = structs.replace(route, severity=route.severity or severity)
    first = incidents.get(route.destination, said)
    most = min((first.severity or "info", said.severity or "info"), key=_SEVERITIES.index)
    incidents[route.destination] = structs.replace(first, severity=most)


def _compiled(settings: RouteSettings, inherited: NodeSettings) -> _Node:
    said = inherited.refined(settings)
    return _Node(
        tests=tuple(parse_matcher(text).compiled() for text in settings.match),
        said=said,
        incident_routes=said.incident_routes if said.lane == "incidents" else (),
        continues=settings.continue_,
        children=tuple(_compiled(child, said) for child in settings.routes),
    )


def _visit(node: _Node, about: About, data: Mapping[str, object], taken: list[_Node]) -> bool:
    """Add the nodes that tell; whether this one takes the event."""
    for test in node.tests:
        if not test(data):
            return False
    is_taken = False
    for child in node.children:
        if _visit(child, about, data, taken):
            is_taken = True
            if not child.continues:
                break
    if not is_taken and about in node.said.about:
        taken.append(node)
        return True
    return is_taken
