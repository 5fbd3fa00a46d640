"""What an operator says about who is told of what: one tree of routes, as in Alertmanager."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from router.fields import Name, SettingsModel

About: TypeAlias = Literal["decisions", "gatecrier"]
"""What an event is about: an admission request, or Gatecrier itself."""


def _not_yet(value: object) -> object:
    if value == "scan":
        raise ValueError("no version tells of scans yet; write decisions or gatecrier")
    return value


_About = Annotated[About, BeforeValidator(_not_yet)]


class RouteSettings(SettingsModel):
    """A node of the tree: what it takes, whom it tells, and the children that may take it further.

    An event goes to the deepest routes that match. Siblings are tried in order; the first that matches ends it
    unless it says `continue`. A node's own destinations are used when no child took the event.
    """

    match: tuple[str, ...] = ()
    """Matchers on the event's data, all of which must hold: `decision.would_reject = true`,
    `request.namespace =~ "team-.*"`; operators are `=`, `!=`, `=~` and `!~`, and patterns (RE2, without
    lookaround and back-references) match the whole value. An empty list counts as the empty text. None:
    everything that the parent takes."""
    destinations: tuple[str, ...] = ()
    """Names of the destinations that are told; none: those of the parent."""
    about: Annotated[tuple[_About, ...], Field(min_length=1)] | None = None
    """What is told: `decisions`, `gatecrier` (what is wrong with Gatecrier itself: a destination that fails, an outbox
    in danger), or both; none: what the parent tells of, and for the root decisions. Of `gatecrier` nobody is told who
    is the trouble, where there is anybody else."""
    continue_: Annotated[bool, Field(alias="continue")] = False
    """Whether later siblings are tried too, although this route matched."""
    routes: tuple[RouteSettings, ...] = ()
    """Children, tried in this order."""


class ReceiverSettings(SettingsModel):
    """Somebody who is told, as far as whoever decides must know."""

    name: Name
    """What routes, metrics and `deliveries` call it."""
    must_deliver: bool = False
    """Whether an admission in enforce mode waits for its receipt, within the deadline, and is refused without one."""
