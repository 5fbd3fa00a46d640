"""The part of a configuration that says where events go, for commands that ask about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from router.destinations.catalogue import AnyDestination, default_template
from router.fields import SettingsModel
from router.policy.settings import EnforcementSettings, RuleSettings
from router.routing import IncidentSettings, TimeIntervalSettings
from router.routing.settings import RouteSettings
from router.settings import shape
from router.settings.part import destination_items, read_part
from router.settings.plain import Item


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


def _kind_of(destination: Item) -> AnyDestination | None:
    """Settings that know no more than their kind; None where it is unknown."""
    tag = destination.get(shape.TAG)
    model = next((model for model in get_args(AnyDestination) if tag in shape.tags(model)), None)
    return None if model is None else model.model_construct(kind=tag)


def templates_of(path: Path) -> Mapping[str, str | None]:
    """The name of the template of each destination, by its name; None where the event itself is sent.

    Raises:
        ConfigurationError: The file can't be read.
    """
    found: dict[str, str | None] = {}
    for item in destination_items(path):
        kind, named = _kind_of(item), item.get("template")
        found[str(item["name"])] = named if isinstance(named, str) else default_template(kind) if kind else None
    return found


def incident_templates_of(path: Path) -> Mapping[str, str | None]:
    """The same for messages about incidents, where a route names no other."""
    found: dict[str, str | None] = {}
    for item in destination_items(path):
        kind, named = _kind_of(item), item.get("incident_template")
        default = default_template(kind) if kind else None
        found[str(item["name"])] = named if isinstance(named, str) else f"{default}-incident" if default else None
    return found
