"""What an operator says about probes and metrics."""

from __future__ import annotations

from router.fields import Listen, SettingsModel


class OperationsSettings(SettingsModel):
    """Where `/healthz`, `/readyz` and `/metrics` are answered, without TLS."""

    listen: Listen
    """An address that only the cluster's own probes and scrapers reach."""
