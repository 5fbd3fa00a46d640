"""Reads one part of a configuration, for commands that need no more.

`gatecrier deliveries` runs in shells that have none of the secrets of the running router; it must not be refused for
an environment variable that only `serve` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.outbox import OutboxSettings
from router.settings.names import Item, names
from router.settings.problems import told
from router.settings.reading import LARGEST, read_document
from router.settings.snapshot import Reading


def outbox_settings(path: Path) -> OutboxSettings:
    """What the configuration says about the outbox.

    Raises:
        ConfigurationError: The file can't be read, or says nothing of use about it.
    """
    reading = Reading(path, {})
    context = ReadingContext(reading.folder, {}, reading.read)
    try:
        return OutboxSettings.model_validate(_data(reading, path).get("outbox"), context={"reading": context})
    except ValueError as error:
        raise ConfigurationError(f"{path}: outbox: {error}; `gatecrier config check` says more") from error


def destination_names(path: Path) -> Sequence[str]:
    """The names of the destinations of a configuration; raises ConfigurationError where it can't be read."""
    return names(_data(Reading(path, {}), path).get("destinations"))


def _data(reading: Reading, path: Path) -> Item:
    try:
        document, problems = read_document(reading.read(reading.path, LARGEST))
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{path}: the configuration can't be read: {cause}") from error
    if document is None:
        raise ConfigurationError(told(str(path), problems))
    return document.data
