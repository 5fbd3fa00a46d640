"""What one owner has to deliver out of an SQLite outbox.

All owners reach the file through the one process that has it, so that claims are in memory (`claims`) and cost no
flush: when that process ends they end, and what was not settled is due again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from router.outbox import queries
from router.outbox.claims import Claims
from router.outbox.file import SqliteFile
from router.outbox.protocol import Accepted, Delivery, Settlement, Told
from router.outbox.queries import Due
from router.outbox.statements import Settle

CLAIM_BYTES = 4 * 2**20
"""Bytes of the events of one claim at most, unless the first alone is larger: it is held in memory several times."""
CLAIM_LIMIT = 128
"""Deliveries of one claim at most: the loop stands still for less than a millisecond while it reads them."""


class SqliteQueue:
    """Implements `router.outbox.protocol.Queue`."""

    def __init__(self, file: SqliteFile, claims: Claims, owner: str) -> None:
        self._file = file
        self._claims = claims
        self._owner = owner
        self._held: dict[tuple[str, str], Delivery] = {}

    @property
    def held(self) -> Collection[Delivery]:
        """What its owner has claimed."""
        return self._held.values()

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due and that nobody holds, the longest due first."""
        self._claims.renew(self._owner)
        limit = min(limit, CLAIM_LIMIT)
        due = self._file.look(queries.due, destination, now, limit + self._claims.count(destination))
        chosen = _within_bytes(self._free(destination, due)[:limit])
        if not chosen:
            return ()
        taken = self._file.look(queries.whole, destination, [one.sequence for one in chosen])
        self._claims.take(self._owner, destination, [one.event_id for one in chosen])
        self._held |= {(destination, one.event_id): one for one in taken}
        return taken

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; durable when it returns."""
        told = [
            one
            for one in settlements
            if isinstance(one, Accepted) or not self._claims.is_anothers(self._owner, one.destination, one.event_id)
        ]
        await self._file.write(Settle(told))
        for one in settlements:
            self._give_back(one.destination, (one.event_id,))

    async def release(self, destination: str, event_ids: Collection[str]) -> None:
        """Give claims back that were not settled."""
        self._give_back(destination, event_ids)
        if event_ids:
            self._file.tell((destination,))

    async def renew(self) -> None:
        """Be heard of: claims of this owner last `LEASE` seconds from now."""
        self._claims.renew(self._owner)

    async def rescue(self) -> None:
        """Give all claims of this owner back: it begins anew, or somebody has seen it die."""
        self._held.clear()
        if destinations := self._claims.rescue(self._owner):
            self._file.tell(destinations)

    async def next_due(self, destination: str) -> float | None:
        """When the next delivery that nobody holds is due, in seconds since 1970."""
        due = await self._file.read(queries.due, destination, math.inf, self._claims.count(destination) + 1)
        return next((one.due_at for one in self._free(destination, due)), None)

    def subscribe(self, told: Told) -> None:
        """Be told, from now on, of destinations that may have something due earlier than before."""
        self._file.subscribe(told)

    def _give_back(self, destination: str, event_ids: Collection[str]) -> None:
        self._claims.give_back(self._owner, destination, event_ids)
        for event_id in event_ids:
            self._held.pop((destination, event_id), None)

    def _free(self, destination: str, due: Sequence[Due]) -> list[Due]:
        free = set(self._claims.free(self._owner, destination, [one.event_id for one in due]))
        return [one for one in due if one.event_id in free]


def _within_bytes(found: Sequence[Due]) -> list[Due]:
    """The first of these, as many as their bytes allow, at least one."""
    total, taken = 0, list[Due]()
    for one in found:
        total += one.length
        if taken and total > CLAIM_BYTES:
            break
        taken.append(one)
    return taken
