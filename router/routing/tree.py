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
(6) Of Gatecrier itself nobody is told who is the trouble, for he would hear of it last; but for him who is the only one
    that is to be told: he learns what he has missed.

Everything is compiled once: this runs for every admission request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.routing.matchers import Test, parse_matcher
from router.routing.settings import About, RouteSettings

OF_ROOT: tuple[About, ...] = ("decisions",)
"""What the root tells of, where it does not say."""


@dataclass(frozen=True, slots=True)
class _Node:
    tests: tuple[Test, ...]
    destinations: tuple[str, ...]
    about: tuple[About, ...]
    continues: bool
    children: tuple[_Node, ...]


class RoutingTree:
    """Who is told of which event.

    Raises:
        ValueError: A matcher of the settings is none; the text says what to write.
    """

    def __init__(self, settings: RouteSettings) -> None:
        self._root = _compiled(settings, (), OF_ROOT)

    def destinations(self, data: Mapping[str, object]) -> tuple[str, ...]:
        """The names of those who are told of a decision with this `data`, in the order of the tree, none twice."""
        return self._told("decisions", data)

    def of_gatecrier(self, data: Mapping[str, object], trouble: str | None) -> tuple[str, ...]:
        """The names of those who are told of a notice with this `data`; `trouble` is the destination that it is about.

        In the order of the tree, none twice.
        """
        told = self._told("gatecrier", data)
        return tuple(name for name in told if name != trouble) or told

    def _told(self, about: About, data: Mapping[str, object]) -> tuple[str, ...]:
        told: dict[str, None] = {}
        _visit(self._root, about, data, told)
        return tuple(told)


def _compiled(settings: RouteSettings, inherited: tuple[str, ...], of_parent: tuple[About, ...]) -> _Node:
    destinations, about = settings.destinations or inherited, settings.about or of_parent
    return _Node(
        tests=tuple(parse_matcher(text).compiled() for text in settings.match),
        destinations=destinations,
        about=about,
        continues=settings.continue_,
        children=tuple(_compiled(child, destinations, about) for child in settings.routes),
    )


def _visit(node: _Node, about: About, data: Mapping[str, object], told: dict[str, None]) -> bool:
    """Add those whom this node tells; whether it takes the event."""
    for test in node.tests:
        if not test(data):
            return False
    is_taken = False
    for child in node.children:
        if _visit(child, about, data, told):
            is_taken = True
            if not child.continues:
                break
    if not is_taken and about in node.about:
        told.update(dict.fromkeys(node.destinations))
        return True
    return is_taken
