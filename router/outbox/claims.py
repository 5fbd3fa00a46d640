"""Who holds which deliveries: claims in memory, for an outbox that all owners reach through one process.

Rules, from `protocol` (6) and (9):
(1) A claim is held while its owner was heard of within `LEASE` seconds, and then until another takes it.
(2) What is being withdrawn is free for nobody.
(3) Claims end with this process: then every owner has lost its own, and begins anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from router.outbox.protocol import LEASE
from router.outbox.runs import Runs, RunsTogether


class Claims:
    """All claims of one outbox.

    Args:
        clock: Seconds of a clock that never goes back or jumps.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._owners: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._sequences: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._runs: defaultdict[str, defaultdict[str, Runs]] = defaultdict(lambda: defaultdict(Runs))
        self._barred: Counter[str] = Counter()

    def renew(self, owner: str) -> None:
        """This owner was heard of."""
        self._until[owner] = self._clock() + LEASE

    def kept(self, owner: str, destination: str) -> RunsTogether:
        """Numbers of those that this owner may not take: held by itself or another."""
        held = self._runs[destination].items()
        return RunsTogether([runs for holder, runs in held if self._is_kept_from(owner, holder)])

    def is_barred(self, event_id: str) -> bool:
        """Whether it is being withdrawn."""
        return event_id in self._barred

    def take(self, owner: str, destination: str, taken: Mapping[str, int]) -> None:
        """They are this owner's now: event ids with their numbers."""
        owners, runs = self._owners[destination], self._runs[destination]
        for event_id, sequence in taken.items():
            if (before := owners.get(event_id)) is not None:
                runs[before].remove(sequence)
            owners[event_id] = owner
            runs[owner].add(sequence)
        self._sequences[destination].update(taken)

    def sequence(self, destination: str, event_id: str) -> int | None:
        """The number of one that somebody holds."""
        return self._sequences[destination].get(event_id)

    def is_anothers(self, owner: str, destination: str, event_id: str) -> bool:
        """Whether another owner has it."""
        return self._owners[destination].get(event_id, owner) != owner

    def give_back(self, owner: str, destination: str, event_ids: Iterable[str]) -> None:
        """This owner has them no longer; what is another's stays so."""
        held = self._owners[destination]
        for one in event_ids:
            if held.get(one) == owner:
                del held[one]
                self._runs[destination][owner].remove(self._sequences[destination].pop(one))

    def rescue(self, owner: str) -> frozenset[str]:
        """Give all of an owner's claims back; returns their destinations."""
        self._until.pop(owner, None)
        found = set[str]()
        for destination, held in self._owners.items():
            self._runs[destination].pop(owner, None)
            for event_id in [one for one, holder in held.items() if holder == owner]:
                del held[event_id], self._sequences[destination][event_id]
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

    def _is_kept_from(self, owner: str, holder: str) -> bool:
        return holder == owner or self._until.get(holder, 0.0) > self._clock()
