"""Hands over every stored event to the collector: in order, in batches, durably.

Rules:
(1) What is handed over is read by its numbers, as `router.incidents` would consume it: the collector does that in our
    place, and the same cursor says how far it is. What it has not confirmed is not forgotten here, however long it is
    away.
(2) Before a batch leaves it is noted as offered, so that nothing in it is withdrawn any more; when it is confirmed, as
    consumed. Whoever ends between the two sends it again, and the collector takes each event once.
(3) A batch is at most `AT_ONCE` events and `BATCH_BYTES`. What comes while one is under way, or within `GATHER` of it,
    is the next.
(4) While the collector can't be asked, it is tried again with full jitter (`router.delivery.backoff`), and that is
    trouble. Nothing else waits for it: events are delivered all the same.
(5) What was watched here (`router.readiness.watching`) goes along with a batch after which nothing is left, or without
    one: the collector never knows of a time as watched in which something was decided that it does not have.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from router.decision import Grant
from router.delivery.backoff import delay
from router.errors import OutboxError, ReplicaError
from router.events import decode, with_sequence
from router.fields import ListenAddress
from router.incidents import ledger
from router.incidents.ledger import Stored
from router.outbox import grants
from router.outbox.collected import Collected
from router.outbox.sqlite import SqliteOutbox
from router.readiness import beats
from router.readiness.watching import Watch
from router.replicas.calling import Calling
from router.replicas.exchange import EVENTS, HandedOver, packed
from router.replicas.identity import ReplicaIdentity
from router.telemetry.causes import Cause, Troubles

AT_ONCE = 256
BATCH_BYTES = 768 * 1024
"""Of bodies; one event has at most 256 KiB."""
GATHER = 0.05
"""Seconds between two batches, at least."""
PATIENCE = 10.0
"""Seconds that the collector may take for one."""
AGAIN_WITHIN = 30.0
"""Seconds between two attempts, at most."""


_CORRECTS = b'"corrects":'
"""Stands in what corrects another event, and may stand in others."""


class HandingOver:
    """The driver at every replica but the collector.

    Args:
        outbox: Where our events are.
        replica: What we are called.
        collector: Who takes them.
        troubles: Hears that the collector can't be asked.
        dice: Drawn evenly from [0, 1).
        time_of_day: Seconds since 1970.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        replica: str,
        collector: ListenAddress,
        troubles: Troubles,
        *,
        dice: Callable[[], float] = random.random,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._replica = replica
        self._collector = collector
        self._troubles = troubles
        self._dice = dice
        self._time_of_day = time_of_day
        self._news = asyncio.Event()
        self._identity: ReplicaIdentity | None = None
        self._calling: Calling | None = None
        self._told: Watch | None = None
        outbox.on_append(self._news.set)

    def wake(self) -> None:
        """There may be something to hand over."""
        self._news.set()

    def show(self, identity: ReplicaIdentity) -> None:
        """Show this from now on."""
        self._identity = identity

    async def run(self) -> None:
        """Hand over what is there, then what comes, until cancelled."""
        failures, failing_since = 0, 0.0
        now = asyncio.get_running_loop().time
        while True:
            self._news.clear()
            try:
                count = await self.step()
            except (ReplicaError, OutboxError) as error:
                failing_since = failing_since if failures else now()
                failures += 1
                self._troubles.trouble_began(Cause.COLLECTOR_UNREACHABLE, "", str(error))
                wait = delay(failures, now() - failing_since, self._dice())
                await asyncio.sleep(min(wait, AGAIN_WITHIN))
                continue
            failures = 0
            if count:
                await asyncio.sleep(GATHER)
            else:
                await self._news.wait()

    async def step(self) -> int:
        """Hand over the next events; returns how many.

        Raises:
            ReplicaError: The collector has not taken them, as far as we know.
            OutboxError: The outbox can't be read or written.
        """
        if not await self._outbox.read(self._is_due):
            return 0
        next_ = _Next()
        await self._outbox.change(next_.offer)
        batch, watched = next_.batch, next_.watched
        if not batch and watched in (None, self._told):
            return 0
        granted = await self._outbox.read(partial(grants.of_events, ids=[one.id for one in batch]))
        events = [_collected(one, granted.get(one.id)) for one in batch]
        calling = await self._connected()
        ago = None if watched is None else watched.moved(-self._time_of_day())
        await calling.ask(EVENTS, packed(HandedOver(self._replica, events, ago)))
        self._troubles.trouble_ended(Cause.COLLECTOR_UNREACHABLE, "")
        if batch:
            await self._outbox.change(partial(_consumed, batch=batch))
        self._told = watched or self._told
        return len(batch)

    async def close(self) -> None:
        """Close the connection."""
        if self._calling is not None:
            calling, self._calling = self._calling, None
            await calling.close()

    def _is_due(self, connection: sqlite3.Connection) -> bool:
        """Whether there is anything to hand over; a beat alone is nothing while nobody would know us."""
        is_known = self._identity is not None or self._calling is not None
        if is_known and beats.own_watch(connection) != self._told:
            return True
        return ledger.has_unconsumed(connection) is not None

    async def _connected(self) -> Calling:
        if self._identity is not None:
            await self.close()
            self._calling, self._identity = Calling(self._collector, self._identity, PATIENCE), None
        if self._calling is None:
            raise ReplicaError("there is nothing yet that another replica would know us by")
        return self._calling


@dataclass(slots=True)
class _Next:
    """What is handed over next."""

    batch: Sequence[Stored] = ()
    watched: Watch | None = None
    """What was watched; None where something is left that was decided meanwhile (5)."""

    def offer(self, connection: sqlite3.Connection) -> int:
        """Find it, and note that another replica may know of it."""
        found = ledger.unconsumed_of_own(connection, AT_ONCE)
        self.batch = _within(found)
        is_all = len(found) < AT_ONCE and len(self.batch) == len(found)
        self.watched = beats.own_watch(connection) if is_all else None
        if self.batch:
            ledger.note_offered(connection, self.batch)
        return len(self.batch)


def _consumed(connection: sqlite3.Connection, batch: Sequence[Stored]) -> int:
    ledger.note_consumed(connection, batch)
    return len(batch)


def _within(events: Sequence[Stored]) -> Sequence[Stored]:
    """As many of these as make a batch."""
    size = 0
    for count, one in enumerate(events):
        size += len(one.body)
        if count and size > BATCH_BYTES:
            return events[:count]
    return events


def _collected(one: Stored, grant: Grant | None) -> Collected:
    corrects = decode(one.body)["data"].get("corrects", "") if _CORRECTS in one.body else ""
    return Collected(one.id, one.at, with_sequence(one.body, one.sequence), one.routes, grant, corrects)
