"""Reads one part of a configuration, for commands that need no more.

`gatecrier deliveries` and `gatecrier trust` run in shells that have none of the secrets of the running router; they
must not be refused for an environment variable that only `serve` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.outbox import OutboxSettings
from router.routing import IncidentSettings
from router.settings.plain import Item, maps, names
from router.settings.problems import listing, path_text
from router.settings.reading import LARGEST, read_document
from router.settings.snapshot import Reading
from router.settings.validating import validated
from router.text import why_unread

Part = TypeVar("Part", bound=SettingsModel)


class OutboxPart(SettingsModel):
    """Where events are kept."""

    outbox: OutboxSettings


class CollectorPart(OutboxPart):
    """Which replica keeps what people ask about all of them, and where this one keeps what it is known by."""

    incidents: IncidentSettings = IncidentSettings()


def collector_part(path: Path) -> CollectorPart:
    """What the configuration says about the collector; raises as `read_part`."""
    return read_part(path, CollectorPart)


def outbox_settings(path: Path) -> OutboxSettings:
    """What the configuration says about the outbox.

    Raises:
        ConfigurationError: The file can't be read, or says nothing of use about it.
    """
    return read_part(path, OutboxPart).outbox


def read_part(path: Path, wanted: type[Part]) -> Part:
    """The keys of a configuration that these settings have, and the files that they name.

    Raises:
        ConfigurationError: The file can't be read, or says nothing of use about it.
    """
    reading = Reading(path, {})
    found = _data(reading, path)
    data = {name: found[name] for name in wanted.model_fields if name in found}
    context = ReadingContext(reading.folder, {}, reading.read)
    adapter: TypeAdapter[Part] = TypeAdapter(wanted)
    made = validated(adapter, wanted, data, context)
    if isinstance(made, list):
        wrong = "; ".join(f"{path_text(one.path)}: {one.text}" for one in made)
        raise ConfigurationError(f"{path}: {wrong}; `gatecrier config check` says more")
    return made


def destination_names(path: Path) -> Sequence[str]:
    """The names of the destinations of a configuration; raises ConfigurationError where it can't be read."""
    return names([*destination_items(path)])


def destination_items(path: Path) -> Sequence[Item]:
    """The destinations of a configuration that have a name, as they are written; raises as `destination_names`."""
    found = _data(Reading(path, {}), path).get("destinations")
    return [item for _, item in maps(found) if isinstance(item.get("name"), str)]


def _data(reading: Reading, path: Path) -> Item:
    try:
        document, problems = read_document(reading.read(reading.path, LARGEST))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: the configuration can't be read: {why_unread(error)}") from error
    if document is None:
        raise ConfigurationError(listing(str(path), problems))
    return document.data
