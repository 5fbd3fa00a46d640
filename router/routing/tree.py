"""The tree of routes: which destinations are told of an event, in the sense of Alertmanager (pure).

Rules (Alertmanager, `dispatch/route.go`, Route.Match):
(1) A node takes an event that all of its matchers match; a node without matchers takes everything.
(2) The children of a node that takes an event are tried in order. The first that takes it ends the search among its
    siblings, unless it says `continue`.
(3) A node tells its own destinations only where no child took the event; so the deepest nodes that match are those
    that count.
(4) A node that names no destinations has those of its parent.

Everything is compiled once: this runs for every admission request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.routing.matchers import Test, parse_matcher
from router.routing.settings import RouteSettings


@dataclass(frozen=True, slots=True)
class _Node:
    tests: tuple[Test, ...]
    destinations: tuple[str, ...]
    continues: bool
    children: tuple[_Node, ...]


class RoutingTree:
    """Who is told of which event.

    Raises:
        ValueError: A matcher of the settings is none; the text says what to write.
    """

    def __init__(self, settings: RouteSettings) -> None:
        self._root = _compiled(settings, ())

    def destinations(self, data: Mapping[str, object]) -> tuple[str, ...]:
        """The names of those who are told of the event with this `data`, in the order of the tree, none twice."""
        told: dict[str, None] = {}
        _visit(self._root, data, told)
        return tuple(told)


def _compiled(settings: RouteSettings, inherited: tuple[str, ...]) -> _Node:
    destinations = settings.destinations or inherited
    return _Node(
        tests=tuple(parse_matcher(text).compiled() for text in settings.match),
        destinations=destinations,
        continues=settings.continue_,
        children=tuple(_compiled(child, destinations) for child in settings.routes),
    )


def _visit(node: _Node, data: Mapping[str, object], told: dict[str, None]) -> bool:
    """Add those whom this node tells; whether it takes the event."""
    for test in node.tests:
        if not test(data):
            return False
    is_taken = False
    for child in node.children:
        if _visit(child, data, told):
            is_taken = True
            if not child.continues:
                break
    if not is_taken:
        told.update(dict.fromkeys(node.destinations))
    return True
