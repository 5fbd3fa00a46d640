"""What can't be meant by a tree of routes, as far as the tree itself tells (pure).

Rules:
(1) A route is unreachable where a sibling before it takes all that it would take and does not `continue`: one whose
    matchers are all among its own (one without matchers takes everything), and that tells of all that it or a route
    beneath it tells of (`about`).
(2) A destination that only routes of the incidents lane tell gets no event by itself: nobody can wait for its receipt.
(3) `templates` of a route are for messages about incidents: it, or a route beneath it, is in their lane.

Places are those of `RouteSettings`, from the root of the tree: `("routes", 1, "templates")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from router.routing.incident_settings import IncidentSettings
from router.routing.matchers import Matcher, parse_matcher
from router.routing.settings import About, RouteSettings
from router.routing.tree import NodeSettings

RoutePath: TypeAlias = "tuple[str | int, ...]"
"""Keys and indexes that lead from the root to a route, or to something that it says."""


class RouteNode(NamedTuple):
    """A route in its tree."""

    place: RoutePath
    route: RouteSettings
    said: NodeSettings
    """What it says, or its parent where it says nothing."""


def nodes(root: RouteSettings) -> Iterator[RouteNode]:
    """The root and every route beneath it, in the order of the configuration."""
    yield from _beneath((), root, NodeSettings.of(IncidentSettings()))


def _beneath(place: RoutePath, route: RouteSettings, inherited: NodeSettings) -> Iterator[RouteNode]:
    said = inherited.refined(route)
    yield RouteNode(place, route, said)
    for index, child in enumerate(route.routes):
        yield from _beneath((*place, "routes", index), child, said)


def unreachable(root: RouteSettings) -> Iterator[tuple[RoutePath, RoutePath]]:
    """Each route that no event reaches, and the sibling that takes all of it."""
    for place, route, said in nodes(root):
        taken: list[tuple[RoutePath, frozenset[Matcher], frozenset[About]]] = []
        for index, child in enumerate(route.routes):
            own, wanted = said.refined(child), frozenset(map(parse_matcher, child.match))
            told, here = _told_of(child, said), (*place, "routes", index)
            winner = next((earlier for earlier, matchers, of in taken if matchers <= wanted and told <= of), None)
            if winner is not None:
                yield here, winner
            if not child.continue_:
                taken.append((here, wanted, frozenset(own.about)))


def _told_of(route: RouteSettings, inherited: NodeSettings) -> frozenset[About]:
    """What it or any route beneath it tells of."""
    said = inherited.refined(route)
    return frozenset(said.about).union(*(_told_of(child, said) for child in route.routes))


def told_of_incidents_only(root: RouteSettings) -> frozenset[str]:
    """The names of destinations that no route of the events lane tells."""
    lanes: dict[str, set[str]] = {"events": set(), "incidents": set()}
    for node in nodes(root):
        lanes[node.said.lane].update(node.said.destinations)
    return frozenset(lanes["incidents"] - lanes["events"])


def without_incidents(root: RouteSettings) -> Iterator[RoutePath]:
    """Each route that names templates, and has no incidents to tell of."""
    every = list(nodes(root))
    lanes = {node.place for node in every if node.said.lane == "incidents"}
    for place, route, _ in every:
        if route.templates and not any(other[: len(place)] == place for other in lanes):
            yield place
