"""The part of a configuration that says when a namespace is ready, for commands that ask about it."""

from __future__ import annotations

from pathlib import Path

from router.fields import SettingsModel
from router.policy.settings import ExemptionSettings
from router.readiness.settings import ReadinessSettings
from router.settings.part import read_part


class ReadinessPart(SettingsModel):
    """When a namespace is ready, and what is let in meanwhile."""

    readiness: ReadinessSettings = ReadinessSettings()
    exemptions: tuple[ExemptionSettings, ...] = ()


def readiness_of(path: Path) -> ReadinessPart:
    """What a configuration says of readiness; raises ConfigurationError where that can't be read or used."""
    return read_part(path, ReadinessPart)
