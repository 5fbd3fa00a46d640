"""How much room there is for questions: over all, of one request, and at each registry. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

UNDER_WAY_PER_REQUEST = 16
"""Questions of one request that are asked at once."""
UNDER_WAY_PER_REGISTRY = 32
"""Questions that are asked of one registry at once: two requests of a thousand images leave each other room."""
UNDER_WAY = 96
"""Questions that are asked at once over all: three registries that hang leave room for a fourth."""
WAITING = 65_536
"""Questions that wait, about 40 MiB."""


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """How much may be under way, and how much may wait."""

    per_request: int = UNDER_WAY_PER_REQUEST
    per_registry: int = UNDER_WAY_PER_REGISTRY
    overall: int = UNDER_WAY
    waiting: int = WAITING

    @classmethod
    def shared_by(cls, processes: int) -> Self:
        """What each of so many processes may have, so that all of them together have no more than one."""
        return cls(
            max(1, UNDER_WAY_PER_REQUEST // processes),
            max(1, UNDER_WAY_PER_REGISTRY // processes),
            max(1, UNDER_WAY // processes),
            max(1, WAITING // processes),
        )


@dataclass(eq=False, slots=True)
class _Room:
    waiting: int = 0
    under_way: int = 0


class Registries:
    """How many questions each registry is asked, and how many wait for it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rooms: dict[str, _Room] = {}
        self.open: set[str] = set()
        """Those that somebody waits for and that have room."""

    def __len__(self) -> int:
        return len(self._rooms)

    def count(self, registry: str, *, waiting: int = 0, under_way: int = 0) -> None:
        """So many more, or fewer, wait for a registry or are asked of it."""
        room = self._rooms.get(registry)
        if room is None:
            room = self._rooms[registry] = _Room()
        room.waiting += waiting
        room.under_way += under_way
        if room.waiting and room.under_way < self._limit:
            self.open.add(registry)
        else:
            self.open.discard(registry)

    def is_full_for_somebody(self, registry: str) -> bool:
        """Whether somebody waits for a registry that has no room."""
        room = self._rooms[registry]
        return room.waiting > 0 and room.under_way >= self._limit

    def forget_idle(self, registry: str) -> bool:
        """Forget a registry that nobody waits for and that is asked nothing; whether it was so."""
        room = self._rooms[registry]
        is_idle = not (room.waiting or room.under_way)
        if is_idle:
            del self._rooms[registry]
        return is_idle
