"""What an event says beside a decision where a scan has found it. Pure."""

from __future__ import annotations

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from router.events.overrides import STRICT


@with_config(STRICT)
class ScanData(TypedDict):
    """Where something runs that a scan has found."""

    pods: int
    """How many Pods run it."""
    nodes: list[str]
    """Names of nodes on which it runs, at most 20."""
    image_id: str
    """What runs, as one of these nodes says it."""
    tag_digest: str | None
    """What its tag means now, which may be another digest; null where it has none, or nobody could tell."""
