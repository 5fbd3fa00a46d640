"""What one owner has to deliver out of an SQLite outbox.

All owners reach the file through the one process that has it, so that claims are in memory (`claims`) and cost no
flush: when that process ends they end, and what was not settled is due again.

A claim reads the front of each urgency beside what is held already (`runs`), never more than it takes, so that it costs
the same before a million rows as before ten, and with a thousand held as with one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from router.outbox import queries
from router.outbox.claims import Claims
from router.outbox.file import SqliteFile
from router.outbox.protocol import (
    OLDEST_EVERY,
    URGENCY,
    Delivery,
    Wake,
    Wanted,
)
from router.outbox.queries import Sized
from router.outbox.settlement import (
    Accepted,
    Settlement,
)
from router.outbox.statements import Settle

CLAIM_BYTES = 4 * 2**20
"""Bytes of the events of one claim at most, unless the first alone is larger: it is held in memory several times."""
CLAIM_LIMIT = 128
"""Deliveries of one claim at most: the loop stands still for less than a millisecond while it reads them."""


class SqliteQueue:
    """Implements `router.outbox.protocol.Queue`; `now` is the outbox's own time."""

    def __init__(self, file: SqliteFile, claims: Claims, owner: str, now: Callable[[], float]) -> None:
        self._file = file
        self._claims = claims
        self._owner = owner
        self._now = now
        self._held: dict[tuple[str, str], Delivery] = {}

    @property
    def held(self) -> Collection[Delivery]:
        """What its owner has claimed."""
        return self._held.values()

    async def claim(self, destination: str, wanted: Wanted) -> Sequence[Delivery]:
        """Deliveries that may be tried now and that nobody holds, in order of urgency and age."""
        self._claims.renew(self._owner)
        chosen = self._probe(destination) if wanted.is_probe else self._chosen(destination, wanted)
        found = [one for one in self._file.look(queries.sized, chosen) if not self._claims.is_barred(one.event_id)]
        taken = _within_bytes(found, min(wanted.room, CLAIM_BYTES))
        if not taken:
            return ()
        deliveries = self._file.look(queries.whole, destination, [one.sequence for one in taken], self._now())
        self._claims.take(self._owner, destination, {one.event_id: one.sequence for one in taken})
        self._held |= {(destination, one.event_id): one for one in deliveries}
        return sorted(deliveries, key=lambda one: one.order)

    def _chosen(self, destination: str, wanted: Wanted) -> list[int]:
        limit, kept = min(wanted.limit, CLAIM_LIMIT), self._claims.kept(self._owner, destination)
        oldest = -(-limit // OLDEST_EVERY)
        urgent, missing = list[list[int]](), limit
        for urgency in range(len(URGENCY) if wanted.above is None else URGENCY[wanted.above]):
            many = max(missing, oldest)
            urgent.append(self._file.look(queries.ready, destination, urgency, self._now(), many, kept))
            missing = max(0, missing - len(urgent[-1]))
        return list(_mixed([one for some in urgent for one in some], wanted.turn))[:limit]

    def _probe(self, destination: str) -> list[int]:
        kept = self._claims.kept(self._owner, destination)
        found = self._file.look(queries.probes, destination, self._now(), len(kept) + 1)
        return next(([one] for one in found if one not in kept), [])

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; durable when it returns."""
        told = [
            one
            for one in settlements
            if isinstance(one, Accepted) or not self._claims.is_anothers(self._owner, one.destination, one.event_id)
        ]
        held = [self._claims.sequence(one.destination, one.event_id) for one in told]
        await self._file.write(Settle(told, held, self._now()))
        for one in settlements:
            self._give_back(one.destination, (one.event_id,))

    async def release(self, destination: str, event_ids: Collection[str]) -> None:
        """Give claims back that were not settled."""
        self._give_back(destination, event_ids)
        if event_ids:
            self._file.wake((destination,))

    async def renew(self) -> None:
        """Be heard of: claims of this owner last `LEASE` seconds from now."""
        self._claims.renew(self._owner)

    async def rescue(self) -> None:
        """Give all claims of this owner back: it begins anew, or somebody has seen it die."""
        self._held.clear()
        if destinations := self._claims.rescue(self._owner):
            self._file.wake(destinations)

    async def next_due(self, destination: str) -> float | None:
        """Seconds until the next delivery that nobody holds is due; None where nothing waits."""
        kept, now = self._claims.kept(self._owner, destination), self._now()
        found = await self._file.read(queries.next_due, destination, kept)
        return min((max(0.0, due_at - now) for sequence, due_at in found if sequence not in kept), default=None)

    def subscribe(self, wake: Wake, decided: Callable[[], None] | None = None) -> None:
        """Be told, from now on, of destinations that may have something due earlier than before.

        `decided` hears of what people decided about deliveries: they may have mended what these wait for.
        """
        self._file.subscribe(wake, decided)

    def _give_back(self, destination: str, event_ids: Collection[str]) -> None:
        self._claims.give_back(self._owner, destination, event_ids)
        for event_id in event_ids:
            self._held.pop((destination, event_id), None)


def _mixed(urgent: Sequence[int], turn: int) -> Iterator[int]:
    """These, in this order, but every eighth is the oldest that is left; `turn` were taken since the last such."""
    left = dict.fromkeys(urgent)
    by_age = iter(sorted(urgent))
    while left:
        turn += 1
        one = next(iter(left)) if turn % OLDEST_EVERY else next(old for old in by_age if old in left)
        del left[one]
        yield one


def _within_bytes(found: Sequence[Sized], room: int) -> list[Sized]:
    """The first of these, as many as there is room for, at least one."""
    total, taken = 0, list[Sized]()
    for one in found:
        total += one.length
        if taken and total > room:
            break
        taken.append(one)
    return taken
