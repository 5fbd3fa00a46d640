"""What an operator says about who is told of what: one tree of routes, as in Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from router.fields import Duration, Name, SettingsModel
from router.routing.matchers import checked_matcher

LaneName: TypeAlias = Literal["events", "incidents"]
"""How an event is told: every one by itself, or once as part of an incident."""
GroupBy: TypeAlias = Literal["owner", "namespace", "image", "user"]
"""Whose trouble one incident is."""
SeverityName: TypeAlias = Literal["critical", "high", "medium", "info"]

About: TypeAlias = Literal["decisions", "scan", "gatecrier"]
"""What an event is about: an admission request, something that runs, or Gatecrier itself."""


class RouteSettings(SettingsModel):
    """A node of the tree: what it takes, whom it tells, and the children that may take it further.

    An event goes to the deepest routes that match. Siblings are tried in order; the first that matches ends it
    unless it says `continue`. A node's own destinations are used when no child took the event.
    """

    @classmethod
    def known_elsewhere(cls) -> Mapping[str, str]:
        """Alertmanager's keys."""
        return {
            "receiver": "Alertmanager's `receiver` is `destinations: [NAME, ...]` here",
            "matchers": "Alertmanager's `matchers` are `match` here",
            "mute_time_intervals": "Alertmanager's `mute_time_intervals` are `mute` here",
            "active_time_intervals": "Alertmanager's `active_time_intervals` are `active` here",
            "group_wait": "nothing is waited for here: the first event is told at once",
        }

    match: tuple[Annotated[str, AfterValidator(checked_matcher)], ...] = ()
    """Matchers on the event's data, all of which must hold: `decision.would_reject = true`,
    `request.namespace =~ "team-.*"`; operators are `=`, `!=`, `=~` and `!~`, and patterns (RE2, without
    lookaround and back-references) match the whole value. An empty list counts as the empty text. None:
    everything that the parent takes."""
    destinations: tuple[str, ...] = ()
    """Names of the destinations that are told; none: those of the parent."""
    about: Annotated[tuple[About, ...], Field(min_length=1)] | None = None
    """What is told: `decisions`, `scan` (what a scan finds running, in the events lane always), `gatecrier` (what is
    wrong with Gatecrier itself: a destination that fails, an outbox in danger), or several of them; none: what the
    parent tells of, and for the root decisions. Of `gatecrier` nobody is told who is the trouble, where there is
    anybody else."""
    lane: LaneName | None = None
    """How they are told: `events` one by one, or `incidents` once per owner's trouble, for people; none: as the parent
    does, and for the root events. What is told of Gatecrier itself is in the events lane always."""
    severity: SeverityName | None = None
    """What messages about incidents say instead of the event's own severity; none: what the parent says."""
    group_by: GroupBy | None = None
    """What one incident is about: an `owner` (a Deployment with its Pods), a `namespace`, an `image` or a `user`;
    none: what the parent says, and for the root owner. Each owner's findings stay its own: the incident is over when
    all of them are."""
    repeat_interval: Duration | None = None
    """The first event this long after a receiver was last told is told as `repeated`; none: as the parent says, and for
    the root `incidents.repeat_interval`."""
    group_interval: Duration | None = None
    """News of an open incident are told at most this often; none: as the parent says, and for the root
    `incidents.group_interval`."""
    active: tuple[Name, ...] | None = None
    """Names of `time_intervals`: outside of all of them nothing is told of incidents, and what is still open is told
    when one begins; none: what the parent says, `[]`: always."""
    mute: tuple[Name, ...] | None = None
    """Names of `time_intervals` within which nothing is told of incidents, whatever `active` says; none: what the
    parent says, `[]`: never."""
    templates: dict[Name, Name] = {}  # noqa: RUF012 - pydantic copies it
    """Names of templates by destination, for messages about incidents; for others the parent's, else the
    destination's `incident_template`."""
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
