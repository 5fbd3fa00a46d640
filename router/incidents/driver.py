"""The third driver: it consumes stored events by their numbers, and appends messages in the same transaction.

It runs in the one process that has the outbox's file: the lock on that file is its lease. Where it begins again, it
goes on where the last transaction ended. What fails is tried again: nothing is passed over because the disk is full.
Between two looks it waits for `GATHER`: a transaction has a price of its own, and what people read is not read sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from router.errors import OutboxError
from router.incidents import exempt, ledger, proven, silences
from router.incidents.consuming import AT_ONCE, Consuming
from router.incidents.facts import EventFacts
from router.incidents.holding import Holding
from router.incidents.rules import IncidentRules
from router.incidents.silences import Silence
from router.incidents.unmatched import tell_of_unmatched
from router.incidents.work import IncidentsWork
from router.outbox.sqlite import SqliteOutbox
from router.telemetry.logs import logger

log = logger()

LOOK = 1.0
"""Seconds between two looks for what is due without an event."""
GATHER = 0.2
"""Seconds between two looks at what was stored, at least: what came meanwhile is looked at together."""
TRANSACTIONS = 16
"""Of events, before everything else has its turn."""
AGAIN = 5.0
"""Seconds until what failed is tried again."""
FORGET = 3600.0
"""Seconds between two looks for incidents that have been over for long."""
FORGOTTEN_AT_ONCE = 500


class IncidentsDriver:
    """Makes incidents of events, for ever; `rules` are replaced with the configuration.

    Args:
        outbox: Where events are, and where messages go.
        consumes: Whether it does; otherwise another replica makes incidents of events, and here only those end that
            were made before.
        time_of_day: Seconds since 1970.
        seen: Who else hears of the events that are consumed, in the same transaction: of each exactly once.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        *,
        consumes: bool = True,
        time_of_day: Callable[[], float] = time.time,
        seen: Callable[[sqlite3.Connection, Sequence[EventFacts]], None] | None = None,
    ) -> None:
        self._seen = seen
        self._outbox = outbox
        self._consumes = consumes
        self._time_of_day = time_of_day
        self._news = asyncio.Event()
        self._is_stopped = False
        self._forget_at = 0.0
        self.rules: IncidentRules | None = None
        outbox.on_append(self.wake)

    async def begin(self) -> None:
        """Have everything consumed that is stored from now on: called before anything can be; raises OutboxError."""
        if await self._outbox.read(ledger.has_unconsumed):
            await self._outbox.change(ledger.begin)

    def wake(self) -> None:
        """There may be events to consume."""
        self._news.set()

    def stop(self) -> None:
        """Begin nothing new."""
        self._is_stopped = True

    async def run(self) -> None:
        """Consume what is there, then what comes."""
        while not self._is_stopped:
            self._news.clear()
            try:
                while await self.step():
                    pass
            except OutboxError as error:
                log.warning("incidents_wait", cause=str(error))
                await asyncio.sleep(AGAIN)
            await asyncio.sleep(GATHER)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()

    async def step(self) -> bool:
        """What there is to do of each kind, events in several transactions; whether there may be more.

        Raises:
            OutboxError: The outbox can't be read or written.
        """
        if self.rules is None or self._is_stopped:
            return False
        has_news, many = await self._outbox.read(ledger.has_unconsumed), 0
        for _ in range(TRANSACTIONS if has_news and self._consumes else 0):
            if (many := await self._change(self._consume)) < AT_ONCE:
                break
        due = await self._outbox.read(ledger.next_due)
        late = await self._change(self._pass_time) if due is not None and due <= self._outbox.own_time() else 0
        held = await self._change(self._release) if await self._outbox.read(self._has_released) else 0
        if await self._outbox.read(self._unmatched):
            await self._change(tell_of_unmatched)
        untold = await self._outbox.read(self._untold_exemptions) if self._consumes and self.rules.exemptions else ()
        if untold:
            await self._change(exempt.tell)
        if self._outbox.own_time() >= self._forget_at:
            self._forget_at = self._outbox.own_time() + FORGET
            while await self._change(self._forget) >= FORGOTTEN_AT_ONCE:
                pass
        return many >= AT_ONCE or late >= AT_ONCE or held > 0

    async def _change(self, do: Callable[[IncidentsWork], int]) -> int:
        due = set[str]()
        return await self._outbox.change(lambda connection: do(replace(self._work(connection), due=due)), due)

    def _work(self, connection: sqlite3.Connection) -> IncidentsWork:
        return IncidentsWork(connection, self._in_force, self._outbox.own_time(), self._time_of_day())

    def _consume(self, work: IncidentsWork) -> int:
        return Consuming(work, self._seen).events()

    def _pass_time(self, work: IncidentsWork) -> int:
        return Consuming(work).time()

    def _has_released(self, connection: sqlite3.Connection) -> float | None:
        return 1.0 if Holding(self._work(connection)).has_ended() else None

    def _release(self, work: IncidentsWork) -> int:
        return Holding(work).end()

    def _unmatched(self, connection: sqlite3.Connection) -> Sequence[Silence]:
        return silences.unmatched(connection, self._time_of_day())

    def _untold_exemptions(self, connection: sqlite3.Connection) -> Sequence[exempt.End]:
        return exempt.untold(self._work(connection))

    def _forget(self, work: IncidentsWork) -> int:
        exempt.forget(work)
        proven.forget(work.connection, self._time_of_day())
        return ledger.forget(work.connection, self._outbox.own_time() - self._in_force.keep, FORGOTTEN_AT_ONCE)

    @property
    def _in_force(self) -> IncidentRules:
        if self.rules is None:
            raise RuntimeError("there are no rules before the first configuration")
        return self.rules
