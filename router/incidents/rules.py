"""What the driver goes by: the configuration as far as it concerns incidents, compiled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from router.fields import Rate
from router.incidents.silences import Silence
from router.policy import ExemptionSettings
from router.routing import (
    IncidentSettings,
    RouteSettings,
    RoutingTree,
    TimeIntervalSettings,
    is_break_glass,
    parse_matcher,
)
from router.routing.matchers import Test


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """Made by `of`."""

    settings: IncidentSettings
    intervals: Mapping[str, TimeIntervalSettings]
    routes: RoutingTree
    """Who hears of Gatecrier itself."""
    unsilenceable: tuple[Test, ...]
    replica: str
    keep: float
    """Seconds that an incident is known after its end."""
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """How often a destination is told, by its name."""
    resend_every: Mapping[str, float] = field(default_factory=dict)
    """Seconds after which a destination that keeps nothing is told once more of what goes on, by its name."""
    cluster: str = ""
    exemptions: Sequence[ExemptionSettings] = ()
    """Those of the configuration, of whose ends people are told."""

    @classmethod
    def of(  # noqa: PLR0913 - a configuration has these independent parts
        cls,
        settings: IncidentSettings,
        intervals: Sequence[TimeIntervalSettings],
        routes: RouteSettings,
        replica: str,
        keep: float,
        *,
        rates: Mapping[str, Rate] | None = None,
        resend_every: Mapping[str, float] | None = None,
        cluster: str = "",
        exemptions: Sequence[ExemptionSettings] = (),
    ) -> IncidentRules:
        """Compile the configuration."""
        tests = tuple(parse_matcher(text).compiled() for text in settings.unsilenceable)
        by_name = {one.name: one for one in intervals}
        tree = RoutingTree(routes, settings)
        return cls(settings, by_name, tree, tests, replica, keep, rates or {}, resend_every or {}, cluster, exemptions)

    def is_quiet(self, active: Sequence[str], mute: Sequence[str], time_of_day: float) -> bool:
        """Whether intervals hold back now; a name that is gone holds nothing."""
        if not (active or mute):
            return False
        of_active = [self.intervals[name] for name in active if name in self.intervals]
        of_mute = [self.intervals[name] for name in mute if name in self.intervals]
        is_muted = any(one.holds(time_of_day) for one in of_mute)
        return is_muted or (bool(of_active) and not any(one.holds(time_of_day) for one in of_active))

    def must_be_heard(self, data: Mapping[str, object], severity: str) -> bool:
        """Whether this is told whatever else is held back."""
        return severity == "critical" or any(test(data) for test in self.unsilenceable)

    def silenced_by(self, data: Mapping[str, object], silences: Sequence[Silence]) -> Silence | None:
        """The first of these silences that holds an event back."""
        if not (found := self.matching(data, silences)):
            return None
        must = is_break_glass(data) or any(test(data) for test in self.unsilenceable)
        return None if must else found[0]

    @staticmethod
    def matching(data: Mapping[str, object], silences: Sequence[Silence]) -> Sequence[Silence]:
        """Those of these silences that match an event, whether they hold it back or not."""
        return [one for one in silences if all(test(data) for test in _tests(one.matchers))]


@lru_cache(maxsize=1024)
def _tests(matchers: tuple[str, ...]) -> tuple[Test, ...]:
    return tuple(parse_matcher(text).compiled() for text in matchers)
