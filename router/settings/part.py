"""Reads one part of a configuration, for commands that need no more.

`gatecrier deliveries` and `gatecrier trust` run in shells that have none of the secrets of the running router; they
must not be refused for an environment variable that only `serve` needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.outbox import OutboxSettings
from router.settings.problems import told
from router.settings.reading import LARGEST, read_document
from router.settings.snapshot import Reading

Part = TypeVar("Part", bound=SettingsModel)


class OutboxPart(SettingsModel):
    """Where events are kept."""

    outbox: OutboxSettings


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
    try:
        document, problems = read_document(reading.read(reading.path, LARGEST))
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{path}: the configuration can't be read: {cause}") from error
    if document is None:
        raise ConfigurationError(told(str(path), problems))
    data = {name: document.data[name] for name in wanted.model_fields if name in document.data}
    context = ReadingContext(reading.folder, {}, reading.read)
    try:
        return wanted.model_validate(data, context={"reading": context})
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}; `gatecrier config check` says more") from error
