"""Which templates tell a destination: those that it names, those of its kind, and those that routes name for it. Pure.

Whoever must know asks here: what checks a configuration, what renders by it, and what lists templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from router.destinations.kind import AnyKind
from router.rendering.context import Purpose
from router.rendering.library import NOTICES
from router.routing.checks import nodes
from router.routing.settings import RouteSettings


class TemplateUser(Protocol):
    """What a destination says of templates: its settings, or what stands in a configuration that nobody has read."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def template(self) -> str | None:
        """The one of decisions; its kind's own where it is None."""

    @property
    def incident_template(self) -> str | None:
        """The same of messages about incidents."""

    @property
    def fallback(self) -> str | None:
        """The one that is tried where that of decisions fails; None: none is."""


class WrittenDestination(NamedTuple):
    """What stands in a configuration of which nobody has read the rest; a destination that names none."""

    name: str = ""
    template: str | None = None
    incident_template: str | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """That a destination is told by a template."""

    template: str
    purpose: Purpose
    place: tuple[str | int, ...]
    """Where that is said: a key of the destination, or of the tree of routes, which begins with `routes`."""

    @property
    def is_fallback(self) -> bool:
        """Whether it is for where another fails."""
        return self.place == ("fallback_template",)

    @property
    def is_of_route(self) -> bool:
        """Whether a route names it."""
        return self.place[0] == "routes"


def uses_of(destination: TemplateUser, kind: AnyKind, routes: RouteSettings | None) -> Iterator[Use]:
    """Each template by which it is told of something, those that it needs itself first."""
    if (of_decisions := destination.template or kind.template) is not None:
        yield Use(of_decisions, "decision", ("template",))
    if destination.fallback is not None:
        yield Use(destination.fallback, "decision", ("fallback_template",))
    if (of_incidents := destination.incident_template or kind.incident_template) is not None:
        yield Use(of_incidents, "incident", ("incident_template",))
    if kind.template is not None:
        yield Use(f"{NOTICES}{kind.template}", "notice", ("kind",))
    for node in nodes(routes) if routes is not None else ():
        if (named := node.route.templates.get(destination.name)) is not None:
            yield Use(named, "incident", ("routes", *node.place, "templates", destination.name))


def own(uses: Iterable[Use], purpose: Purpose) -> str | None:
    """The template of these that makes payloads where no route names one and none fails; None: there is none."""
    return next(
        (one.template for one in uses if one.purpose == purpose and not (one.is_fallback or one.is_of_route)), None
    )
