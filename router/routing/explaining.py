"""Why an event goes where it goes: every route that was asked, and what it said (pure).

The walk is that of `router.routing.tree`, which alone decides; here each step is put into words. They agree on whom is
told for every tree and every event (a property of the tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from router.routing.fields import reader
from router.routing.incident_settings import IncidentSettings
from router.routing.matchers import Matcher, parse_matcher
from router.routing.settings import About, RouteSettings
from router.routing.tree import NodeSettings, is_break_glass
from router.text import listed, shown

VALUES = 5
"""Values of a field that are shown."""


class RouteAnswer(StrEnum):
    """What a route said."""

    TELLS = "tells"
    """It took the event, and tells its own destinations."""
    LEFT_TO_CHILDREN = "left_to_children"
    """It took the event, and a child of it tells others."""
    NO_MATCH = "no_match"
    """A matcher does not hold."""
    NOT_ABOUT = "not_about"
    """It tells of something else."""
    NOT_ASKED = "not_asked"
    """An earlier sibling took the event."""


@dataclass(frozen=True, slots=True)
class RouteStep:
    """One route, and what it said of one event."""

    path: str
    """Where it stands in the configuration: `routes.routes[1]`."""
    depth: int
    route: RouteSettings
    of: NodeSettings
    """What it tells, and how: its own words, or those of its parent."""
    said: RouteAnswer
    why: str
    """In words."""

    @property
    def destinations(self) -> tuple[str, ...]:
        """Its own, or those of its parent."""
        return self.of.destinations

    @property
    def is_gone_beyond(self) -> bool:
        """Whether its children were asked, and have steps of their own."""
        return self.said not in {RouteAnswer.NO_MATCH, RouteAnswer.NOT_ASKED}

    @property
    def told(self) -> Sequence[str]:
        """Whom it tells of the event."""
        return self.destinations if self.said is RouteAnswer.TELLS else ()


def steps(
    settings: RouteSettings, data: Mapping[str, object], incidents: IncidentSettings | None = None
) -> list[RouteStep]:
    """Every route that was asked, in the order of the configuration, with what it said of an event with this `data`."""
    about: About = "gatecrier" if "notice" in data else "scan" if "scan" in data else "decisions"
    found: list[RouteStep] = []
    root = NodeSettings.of(incidents or IncidentSettings())
    _Walk(about, data, found).visit(settings, "routes", 0, root)
    return _besides(settings, root, found) if is_break_glass(data) else found


def _besides(settings: RouteSettings, root: NodeSettings, found: Sequence[RouteStep]) -> list[RouteStep]:
    """The same, with every route of the incidents lane telling (`router.routing.tree`, rule 7)."""
    why = "what break-glass lets in is told by every route of the incidents lane"
    telling = {
        one.path: replace(one, said=RouteAnswer.TELLS, why=why)
        for one in _every(settings, "routes", 0, root)
        if one.of.lane == "incidents" and "decisions" in one.of.about
    }
    told = [one if one.said is RouteAnswer.TELLS else telling.get(one.path, one) for one in found]
    paths = {one.path for one in found}
    return [*told, *(one for path, one in telling.items() if path not in paths)]


def _every(route: RouteSettings, path: str, depth: int, of_parent: NodeSettings) -> Iterator[RouteStep]:
    of = of_parent.refined(route)
    yield RouteStep(path, depth, route, of, RouteAnswer.NOT_ASKED, "")
    for number, child in enumerate(route.routes):
        yield from _every(child, f"{path}.routes[{number}]", depth + 1, of)


@dataclass(frozen=True, slots=True)
class _Walk:
    about: About
    data: Mapping[str, object]
    found: list[RouteStep]

    def visit(self, route: RouteSettings, path: str, depth: int, of_parent: NodeSettings) -> bool:
        of = of_parent.refined(route)
        place = len(self.found)
        failing = next((one for one in map(parse_matcher, route.match) if not one.compiled()(self.data)), None)
        if failing is not None:
            said, why, is_taken = RouteAnswer.NO_MATCH, _mismatch(failing, self.data), False
        elif (child := self._children(route, path, depth, of)) is not None:
            said, why, is_taken = RouteAnswer.LEFT_TO_CHILDREN, f"taken by {child}", True
        elif self.about in of.about:
            said, why, is_taken = RouteAnswer.TELLS, "matches" if route.match else "takes everything", True
        else:
            said, why, is_taken = RouteAnswer.NOT_ABOUT, f"tells of {' and '.join(of.about)} only", False
        self.found.insert(place, RouteStep(path, depth, route, of, said, why))
        return is_taken

    def _children(self, route: RouteSettings, path: str, depth: int, of: NodeSettings) -> str | None:
        """The path of the first child that took the event."""
        first = ended_by = None
        for number, child in enumerate(route.routes):
            name = f"{path}.routes[{number}]"
            if ended_by is not None:
                why = f"{ended_by} took it before"
                self.found.append(RouteStep(name, depth + 1, child, of.refined(child), RouteAnswer.NOT_ASKED, why))
            elif self.visit(child, name, depth + 1, of):
                first = first or name
                ended_by = None if child.continue_ else name
        return first


def _mismatch(matcher: Matcher, data: Mapping[str, object]) -> str:
    values = list(dict.fromkeys(reader(matcher.field)(data)))
    found = listed([shown(value) for value in values], VALUES) or "absent"
    return f"{matcher} does not hold: {matcher.field} is {found}"
