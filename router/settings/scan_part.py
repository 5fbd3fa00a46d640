"""The part of a configuration that says what is scanned and who is told of it, for the command that scans."""

from __future__ import annotations

from pathlib import Path

from router.fields import SettingsModel
from router.kubernetes.settings import KubernetesSettings
from router.outbox import OutboxSettings
from router.routing import IncidentSettings
from router.routing.settings import RouteSettings
from router.scanning.settings import ScanSettings
from router.settings.part import read_part


class ScanPart(SettingsModel):
    """What is scanned, who is told, and where it is kept."""

    cluster: str = ""
    kubernetes: KubernetesSettings | None = None
    scan: ScanSettings = ScanSettings()
    outbox: OutboxSettings
    routes: RouteSettings = RouteSettings()
    incidents: IncidentSettings = IncidentSettings()


def scan_part_of(path: Path) -> ScanPart:
    """What a configuration says of it; raises ConfigurationError where that can't be read or used."""
    return read_part(path, ScanPart)
