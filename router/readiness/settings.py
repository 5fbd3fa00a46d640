"""What an operator says about when a namespace is ready to be enforced."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from router.fields import Duration, SettingsModel

_NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
NAMESPACES_LISTED = 200
"""Namespaces that can have a series of their own in the metrics."""


class ReadinessSettings(SettingsModel):
    """When a namespace is called ready."""

    window: Duration = 1209600.0
    """How long a namespace has to be watched and clean to be called ready. What failed longer ago, and was not seen
    since, counts no more."""
    gap: Duration = 3600.0
    """A longer gap in watching begins the window anew, unless a full scan follows. Gaps of less than 5m are none."""
    least_requests: Annotated[int, Field(ge=0, strict=True)] = 1
    """Requests of a namespace within the window: where fewer were seen and nothing was scanned, it is unknown."""
    metrics_namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=_NAMESPACE)], ...], Field(max_length=NAMESPACES_LISTED)
    ] = ()
    """Namespaces that have series of their own in the metrics; all others are only counted."""
