"""What is remembered of registries, bounded in bytes: whoever brings most forgets its own first. Pure.

Rules:
(1) An entry belongs to a registry, and costs what whoever keeps it says, and `ENTRY` bytes beside.
(2) All together cost at most a limit. Beyond it the registry whose entries cost most loses the one that it has not used
    for the longest time: what one registry answers, or is asked for, pushes out nothing of the others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

ENTRY = 500
"""Bytes that an entry takes beside what it holds, about."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Share(Generic[K, V]):
    entries: OrderedDict[K, tuple[V, int]] = field(default_factory=OrderedDict)
    size: int = 0


class Shares(Generic[K, V]):
    """Entries by registry and key.

    Args:
        limit: Bytes of all entries.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shares: dict[str, _Share[K, V]] = {}
        self._size = 0

    def __len__(self) -> int:
        """How many entries there are."""
        return sum(len(share.entries) for share in self._shares.values())

    def get(self, registry: str, key: K) -> V | None:
        """What is remembered, which counts as used."""
        share = self._shares.get(registry)
        found = None if share is None else share.entries.get(key)
        if share is None or found is None:
            return None
        share.entries.move_to_end(key)
        return found[0]

    def put(self, registry: str, key: K, value: V, size: int) -> None:
        """Remember this, which costs so many bytes by itself, in place of what was there."""
        self.pop(registry, key)
        size += ENTRY
        share = self._shares.setdefault(registry, _Share())
        share.entries[key] = value, size
        share.size += size
        self._size += size
        while self._size > self._limit:
            most = max(self._shares, key=lambda name: self._shares[name].size)
            self.pop(most, next(iter(self._shares[most].entries)))

    def pop(self, registry: str, key: K) -> V | None:
        """Forget this; what it was."""
        share = self._shares.get(registry)
        found = None if share is None else share.entries.pop(key, None)
        if share is None or found is None:
            return None
        share.size -= found[1]
        self._size -= found[1]
        if not share.entries:
            del self._shares[registry]
        return found[0]
