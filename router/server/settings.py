"""What an operator says about probes and metrics."""

from __future__ import annotations

from typing import Annotated

from router.fields import Listen, OnlyAtStart, SettingsModel


class OperationsSettings(SettingsModel):
    """Where `/healthz`, `/readyz` and `/metrics` are answered, without TLS."""

    listen: Annotated[Listen, OnlyAtStart()]
    """An address that only the cluster's own probes and scrapers reach. A change needs a restart."""
