"""The part of a configuration that says which templates there are, and who is told by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from router.destinations.catalogue import DestinationSettings, kind_named
from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.rendering.context import Purpose
from router.rendering.markup import Markup
from router.rendering.settings import TemplatesSettings
from router.routing.checks import nodes
from router.routing.settings import RouteSettings
from router.settings.part import destination_items, read_part
from router.settings.problems import path_text
from router.settings.routes_part import incident_templates_of, templates_of
from router.settings.shape import TAG
from router.settings.snapshot import Reading
from router.settings.validating import validated
from router.text import advice, shown


class TemplatesPart(SettingsModel):
    """Where templates are, and the routes that name some."""

    templates: TemplatesSettings = TemplatesSettings()
    routes: RouteSettings = RouteSettings()


@dataclass(frozen=True, slots=True)
class Use:
    """That a destination is told by a template."""

    template: str
    destination: str
    purpose: Purpose
    markup: Markup


def directory_of(path: Path) -> Path | None:
    """The operator's folder of templates; raises ConfigurationError where the configuration can't be read."""
    return read_part(path, TemplatesPart).templates.directory


def uses_of(path: Path) -> Iterator[Use]:
    """Who is told by which template; raises ConfigurationError where the configuration can't be read."""
    decisions, incidents = templates_of(path), incident_templates_of(path)
    routed = [node.route.templates for node in nodes(read_part(path, TemplatesPart).routes)]
    for item in destination_items(path):
        name, kind, fallback = str(item["name"]), kind_named(item.get(TAG)), item.get("fallback_template")
        if kind is None:
            continue
        markup = kind.markup_by(item.get("markup"))
        if (of_decisions := decisions[name]) is not None:
            yield Use(of_decisions, name, "decision", markup)
        if isinstance(fallback, str):
            yield Use(fallback, name, "decision", markup)
        for of_incidents in (incidents[name], *(templates.get(name) for templates in routed)):
            if of_incidents is not None:
                yield Use(of_incidents, name, "incident", markup)
        if kind.template is not None:
            yield Use(f"notices/{kind.template}", name, "notice", markup)


def destination_of(path: Path, name: str, environment: Mapping[str, str]) -> DestinationSettings:
    """The settings of one destination, with the secrets that they name.

    Raises:
        ConfigurationError: The configuration can't be read, there is no such destination, or it can't be used.
    """
    items = {str(item["name"]): item for item in destination_items(path)}
    if name not in items:
        raise ConfigurationError(f"{shown(name)} names no destination of {path}; {advice(name, sorted(items))}")
    reading = Reading(path, environment)
    context = ReadingContext(reading.folder, reading, reading.read)
    adapter: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
    found = validated(adapter, DestinationSettings, items[name], context)
    if isinstance(found, list):
        told = "; ".join(f"{path_text(one.path)}: {one.text}" for one in found)
        raise ConfigurationError(f"{path}: {name}: {told}")
    return found
