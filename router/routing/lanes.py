"""What the tree says of one event: who is told by itself, and by which routes it is part of incidents. Pure.

What routes of the incidents lane say is stored with the event as values, so that a route that is changed later changes
nothing of what was decided by it. Of several that take one event for one destination, the first one's values count,
with the most urgent of their severities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import msgspec

from router.routing.settings import GroupBy, SeverityName


class IncidentRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one destination is told of the incident that an event belongs to."""

    destination: str
    severity: SeverityName | None = None
    """What messages say; once it is resolved, never None."""
    group_by: GroupBy = "owner"
    repeat_interval: float = 14400.0
    """Seconds."""
    group_interval: float = 300.0
    """Seconds."""
    template: str = ""
    """Empty where the destination's own is meant."""
    active: tuple[str, ...] = ()
    """Names of intervals; empty is always."""
    mute: tuple[str, ...] = ()
    """Names of intervals."""


@dataclass(frozen=True)
class Routed:
    """Who is told of an event."""

    destinations: tuple[str, ...]
    """In the events lane, in the order of the tree, none twice."""
    incidents: tuple[IncidentRoute, ...] = ()
    """In the incidents lane, the same."""

    @cached_property
    def stored(self) -> str:
        """The incidents lane, as it is stored with the event; empty where it took nothing."""
        return _encode(self.incidents).decode() if self.incidents else ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[IncidentRoute, ...]).decode


@lru_cache(maxsize=256)
def stored_routes(text: str) -> Sequence[IncidentRoute]:
    """What `Routed.stored` was made of."""
    return _decode(text) if text else ()
