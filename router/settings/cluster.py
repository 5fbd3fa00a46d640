"""Cross-check: what needs the cluster's API stands beside how that is asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from router.settings.plain import Item
from router.settings.problems import ConfigurationFinding, Path
from router.settings.sections import Ours

REMEDY = "needs the cluster's API; write kubernetes: {api: in-cluster}, or drop it"


def needed(ours: Ours, data: Item) -> Iterator[ConfigurationFinding]:
    """What is asked for without it."""
    if data.get("kubernetes") is None and ours.webhook is not None and ours.webhook.tls == "managed":
        place: Path = ("webhook", "tls")
        yield ConfigurationFinding(place, f"managed {REMEDY}")
