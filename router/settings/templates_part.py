"""The part of a configuration that says which templates there are, and who is told by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from router.destinations.catalogue import DestinationSettings, kind_named
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind
from router.destinations.uses import Use, WrittenDestination, uses_of
from router.errors import ConfigurationError, MisusedError
from router.fields import ReadingContext, SettingsModel
from router.rendering.markup import Markup
from router.rendering.settings import TemplatesSettings
from router.routing.settings import RouteSettings
from router.settings.part import destination_items, read_part
from router.settings.plain import Item
from router.settings.problems import path_text
from router.settings.shape import TAG
from router.settings.snapshot import Reading
from router.settings.validating import validated
from router.text import advice, shown


class TemplatesPart(SettingsModel):
    """Where templates are, and the routes that name some."""

    templates: TemplatesSettings = TemplatesSettings()
    routes: RouteSettings = RouteSettings()


class EgressPart(SettingsModel):
    """Which addresses something may be sent to."""

    egress: EgressSettings = EgressSettings()


def egress_of(path: Path) -> EgressSettings:
    """Which addresses something may be sent to; raises ConfigurationError where the configuration can't be read."""
    return read_part(path, EgressPart).egress


def directory_of(path: Path) -> Path | None:
    """The operator's folder of templates; raises ConfigurationError where the configuration can't be read."""
    return read_part(path, TemplatesPart).templates.directory


class ToldBy(NamedTuple):
    """By what a destination is told."""

    kind: AnyKind | None
    """None where there is no such."""
    uses: Sequence[Use]
    markup: Markup
    """How its texts are read."""


def told_by(path: Path) -> Mapping[str, ToldBy]:
    """By which templates each destination is told, by its name.

    No secret is asked for, and nothing else of a destination need be right.

    Raises:
        ConfigurationError: The configuration can't be read.
    """
    found: dict[str, ToldBy] = {}
    routes = read_part(path, TemplatesPart).routes
    for item in destination_items(path):
        kind, written = kind_named(item.get(TAG)), _written(item)
        uses = () if kind is None else tuple(uses_of(written, kind, routes))
        markup = Markup.NONE if kind is None else kind.markup_by(item.get("markup"))
        found[written.name] = ToldBy(kind, uses, markup)
    return found


def _written(item: Item) -> WrittenDestination:
    named = [item.get(key) for key in ("template", "incident_template", "fallback_template")]
    return WrittenDestination(str(item["name"]), *(one if isinstance(one, str) else None for one in named))


def destination_of(path: Path, name: str, environment: Mapping[str, str]) -> DestinationSettings:
    """The settings of one destination, with the secrets that they name.

    Raises:
        MisusedError: There is no such destination.
        ConfigurationError: The configuration can't be read, or the destination can't be used.
    """
    items = {str(item["name"]): item for item in destination_items(path)}
    if name not in items:
        raise MisusedError(f"{shown(name)} names no destination of {path}; {advice(name, sorted(items))}")
    reading = Reading(path, environment)
    context = ReadingContext(reading.folder, reading, reading.read)
    adapter: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
    found = validated(adapter, DestinationSettings, items[name], context)
    if isinstance(found, list):
        told = "; ".join(f"{path_text(one.path)}: {one.text}" for one in found)
        raise ConfigurationError(f"{path}: {name}: {told}")
    return found
