"""What an operator says about scans."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from router.fields import Duration, SettingsModel
from router.policy.settings import NAMESPACE_GLOB

GLOBS = 100
"""Globs of namespaces, at most."""


class ScanSettings(SettingsModel):
    """When what runs is judged, and where."""

    every: Duration = 86400.0
    """How often the running Gatecrier scans, from some minutes after its start on."""
    namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=NAMESPACE_GLOB)], ...], Field(min_length=1, max_length=GLOBS)
    ] = ("*",)
    """Where; `*` stands for any characters. `gatecrier scan` keeps to it, too. Of what other replicas have scanned the
    collector keeps what its own means."""
