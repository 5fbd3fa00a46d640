"""Keeps what readiness is judged by, and tells when it changes: beats, metrics, notices, forgetting.

What is seen is written elsewhere, in the transaction that consumes events (`readiness.grouping`). Every `BEAT` seconds:
(1) That we watch is written, while somebody does (`readiness.watching`). Of several replicas each does this, and the
    collector alone does the rest.
(2) All namespaces are judged, beside the event loop, and counted by mode and state.
(3) Namespaces that have become ready, or have ceased to be, are told of together, and what was told of each is written
    in the same transaction: once each, across restarts.
What was not seen for `KEPT` windows is forgotten, now and then.

What fails is tried again with the next beat: nothing here holds up anything else.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from router.errors import OutboxError
from router.events import Origin, readiness_notice
from router.incidents.ledger import append_notice
from router.incidents.rules import IncidentRules
from router.incidents.work import IncidentsWork
from router.outbox.sqlite import SqliteOutbox
from router.policy import Enforcement
from router.readiness import beats, ledger, reading
from router.readiness.judging import ReadinessState
from router.readiness.reading import Overview
from router.readiness.settings import ReadinessSettings
from router.readiness.watching import BEAT
from router.telemetry.logs import logger

log = logger()

SOON = 5.0
"""Seconds until it is looked again where nobody watched, as at the start."""
FORGET = 3600.0
"""Seconds between two looks for what was not seen for long."""
FORGOTTEN_AT_ONCE = 500
KEPT = 4
"""Windows for which what was seen is kept after it was seen last."""


Count = Callable[[Mapping[str, int], Mapping[str, str]], None]
"""Counts namespaces: how many there are by `MODE/STATE`, and the state of those with series of their own; quick."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the driver goes by: the configuration as far as it concerns readiness."""

    settings: ReadinessSettings
    rules: IncidentRules
    """Who hears of Gatecrier itself."""
    enforcement: Enforcement
    """What the configuration says of namespaces of which no request was seen."""


class ReadinessDriver:
    """Watches over readiness, for ever; `by` is replaced with the configuration.

    Args:
        outbox: Where it is kept, and where notices go.
        count: Counts namespaces.
        judges: Whether namespaces are judged here, and not by another replica.
        beaten: Is told of each beat that is written.
        time_of_day: Seconds since 1970.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        count: Count,
        *,
        judges: bool = True,
        beaten: Callable[[], None] = lambda: None,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._judges = judges
        self._beaten = beaten
        self._report = count
        self.is_watching: Callable[[], bool] = lambda: True
        """Whether requests of the API server can reach us now."""
        self._time_of_day = time_of_day
        self._beat_at: float | None = None
        self._forget_at = 0.0
        self.by: Readiness | None = None

    async def run(self) -> None:
        """Beat, for ever."""
        while True:
            is_watching = self.is_watching()
            try:
                await self.step()
            except OutboxError as error:
                log.warning("readiness_waits", cause=str(error))
            await asyncio.sleep(BEAT if is_watching else SOON)

    async def step(self) -> None:
        """One beat, and what belongs to it; raises OutboxError."""
        if (by := self.by) is None:
            return
        if self.is_watching():
            await self._beat()
        if not self._judges:
            return
        found = await self._outbox.read(partial(reading.overviews, settings=by.settings, now=self._time_of_day()))
        self._count(by, found)
        await self._tell(by.rules, found)
        await self._forget(by.settings)

    async def _beat(self) -> None:
        now = self._outbox.own_time()
        silent = None if self._beat_at is None else now - self._beat_at
        await self._outbox.change(partial(beats.beat, now=self._time_of_day(), silent=silent))
        self._beat_at = now
        self._beaten()

    def _count(self, by: Readiness, found: Sequence[Overview]) -> None:
        counts = Counter(f"{one.mode or by.enforcement.mode(one.namespace)}/{one.judged.state}" for one in found)
        listed = set(by.settings.metrics_namespaces)
        states = dict.fromkeys(by.settings.metrics_namespaces, ReadinessState.UNKNOWN.value)
        states |= {one.namespace: one.judged.state.value for one in found if one.namespace in listed}
        self._report(counts, states)

    async def _tell(self, rules: IncidentRules, found: Sequence[Overview]) -> None:
        for is_ready in (True, False):
            changed = [
                one.namespace
                for one in found
                if (one.judged.state is ReadinessState.READY) is is_ready
                and (one.told == ReadinessState.READY) is not is_ready
            ]
            if changed:
                due = set[str]()
                tell = partial(self._told, rules=rules, due=due, namespaces=changed, is_ready=is_ready)
                await self._outbox.change(tell, due)
                log.info("readiness_changed", is_ready=is_ready, count=len(changed), namespaces=changed[:10])

    def _told(
        self,
        connection: sqlite3.Connection,
        rules: IncidentRules,
        due: set[str],
        namespaces: Sequence[str],
        *,
        is_ready: bool,
    ) -> int:
        at = self._time_of_day()
        event = readiness_notice(Origin(rules.cluster, rules.replica), namespaces, is_ready=is_ready, at=at)
        append_notice(IncidentsWork(connection, rules, self._outbox.own_time(), at, due), event)
        return ledger.note_told(connection, namespaces, ReadinessState.READY.value if is_ready else "")

    async def _forget(self, settings: ReadinessSettings) -> None:
        now = self._outbox.own_time()
        if now < self._forget_at:
            return
        self._forget_at = now + FORGET
        before = self._time_of_day() - KEPT * settings.window
        await self._outbox.change(partial(beats.forget, before=before))
        while True:
            rows = await self._outbox.read(partial(ledger.forgettable, before=before, many=FORGOTTEN_AT_ONCE))
            await self._outbox.change(partial(ledger.forget, before=before, rows=rows))
            if len(rows) < FORGOTTEN_AT_ONCE:
                break
