"""Who holds which deliveries: claims in memory, for an outbox that all owners reach through one process.

Rules, from `protocol` (5) and (8):
(1) A claim is held while its owner was heard of within `LEASE` seconds, and then until another takes it.
(2) What is being withdrawn is free for nobody.
(3) Claims end with this process: then every owner has lost its own, and begins anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable

from router.outbox.protocol import LEASE


class Claims:
    """All claims of one outbox.

    Args:
        clock: Seconds of a clock that never goes back or jumps.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._owners: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._barred: Counter[str] = Counter()

    def renew(self, owner: str) -> None:
        """This owner was heard of."""
        self._until[owner] = self._clock() + LEASE

    def count(self, destination: str) -> int:
        """How many deliveries of this destination are not free, at most."""
        return len(self._owners[destination]) + len(self._barred)

    def free(self, owner: str, destination: str, event_ids: Iterable[str]) -> list[str]:
        """Those that this owner may take: neither held, by itself or another, nor being withdrawn."""
        held, barred = self._owners[destination], self._barred
        return [one for one in event_ids if one not in barred and not self._is_kept_from(owner, held.get(one))]

    def take(self, owner: str, destination: str, event_ids: Iterable[str]) -> None:
        """They are this owner's now."""
        self._owners[destination].update(dict.fromkeys(event_ids, owner))

    def is_anothers(self, owner: str, destination: str, event_id: str) -> bool:
        """Whether another owner has it."""
        return self._owners[destination].get(event_id, owner) != owner

    def give_back(self, owner: str, destination: str, event_ids: Iterable[str]) -> None:
        """This owner has them no longer; what is another's stays so."""
        held = self._owners[destination]
        for one in event_ids:
            if held.get(one) == owner:
                del held[one]

    def rescue(self, owner: str) -> frozenset[str]:
        """Give all of an owner's claims back; returns their destinations."""
        self._until.pop(owner, None)
        found = set[str]()
        for destination, held in self._owners.items():
            for event_id in [one for one, holder in held.items() if holder == owner]:
                del held[event_id]
                found.add(destination)
        return frozenset(found)

    def expired(self) -> frozenset[str]:
        """Destinations with claims whose owners were not heard of in time, since this was last asked."""
        now = self._clock()
        silent = {owner for owner, until in self._until.items() if until <= now}
        for owner in silent:
            del self._until[owner]
        return frozenset(
            destination for destination, held in self._owners.items() if silent and not silent.isdisjoint(held.values())
        )

    def bar(self, event_ids: Collection[str]) -> list[str]:
        """Keep those from being claimed that nobody has claimed; returns them."""
        barred = [one for one in event_ids if not any(one in held for held in self._owners.values())]
        self._barred.update(barred)
        return barred

    def unbar(self, event_ids: Iterable[str]) -> None:
        """They may be claimed again."""
        self._barred.subtract(event_ids)
        self._barred = +self._barred

    def _is_kept_from(self, owner: str, holder: str | None) -> bool:
        return holder is not None and (holder == owner or self._until.get(holder, 0.0) > self._clock())
