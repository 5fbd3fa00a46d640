"""The part of a configuration that says where events go, for commands that ask about it."""

from __future__ import annotations

from pathlib import Path

from router.fields import SettingsModel
from router.policy.settings import EnforcementSettings, RuleSettings
from router.routing import IncidentSettings, TimeIntervalSettings
from router.routing.settings import RouteSettings
from router.settings.part import read_part


class RoutesPart(SettingsModel):
    """Routes, and what an event would be made by."""

    cluster: str = ""
    enforcement: EnforcementSettings = EnforcementSettings()
    policy: tuple[RuleSettings, ...] = ()
    routes: RouteSettings = RouteSettings()
    incidents: IncidentSettings = IncidentSettings()
    time_intervals: tuple[TimeIntervalSettings, ...] = ()


def routes_of(path: Path) -> RoutesPart:
    """What a configuration says of routes; raises ConfigurationError where that can't be read or used."""
    return read_part(path, RoutesPart)
