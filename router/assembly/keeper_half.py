"""The half that loses nothing: keeps events, and delivers them until every destination has them.

It knows the other half as somebody who appends to its intake and asks for receipts.

Reload: what a new configuration makes is prepared first. A lane ends only where its destination has changed, or what it
renders with. Receipts are asked of the channels of the configuration by which the request is judged, for as long as
requests can be under way that began by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from router.assembly import labels
from router.assembly.among_replicas import AmongReplicas
from router.assembly.channels import MadeChannel, channels
from router.assembly.cluster import ClusterInForce
from router.assembly.decision_log import LoggedIntake
from router.assembly.observing import MetricsObserver
from router.assembly.tending import Tending
from router.decision import Grant
from router.delivery import Dispatcher, Receipts
from router.errors import ConfigurationError, OutboxError, ReplicaError
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.object_events.publishing import ObjectEvents
from router.outbox import BatchIntake, grants
from router.outbox.retention import RetentionRules
from router.outbox.sqlite import SqliteOutbox
from router.policy import Enforcement
from router.readiness import grouping
from router.readiness.driver import Readiness, ReadinessDriver
from router.replicas.identity import ReplicaIdentity
from router.replicas.naming import identity_file
from router.scanning.recording import Terms
from router.scanning.settings import ScanSettings
from router.settings.parts import KeeperPart
from router.telemetry.logs import logger

log = logger()

DRAIN = 10.0
"""Seconds that attempts to deliver get to end when we do, at most."""
GRACE = 60.0
"""Seconds that what a replaced configuration made is kept for requests that still use it."""
REPORTING = 60.0
"""Seconds between two reports of what waits."""
HOUSEKEEPING = 3600.0
"""Seconds between two looks for events that nobody needs any more."""
ROOM = 10.0
"""Seconds between two looks at the size of the outbox."""


class KeeperHalf:
    """Keeps and delivers. Made by `open`.

    Args:
        outbox: Where events are kept.
        observing: Who counts.
        replica: The name of this product among those of its cluster.
        tending: Keeps what goes on beside deliveries.
        replicas: What there is to do with others of them.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        observing: MetricsObserver,
        replica: str,
        tending: Tending,
        replicas: AmongReplicas | None,
    ) -> None:
        self._outbox = outbox
        self._cluster = ClusterInForce(os.environ)
        self._object_events = ObjectEvents(self._cluster.get, replica)
        self._intake = LoggedIntake(outbox, self._object_events.hear)
        self._observing = observing
        self._tending = tending
        self._dispatcher = Dispatcher(outbox.queue(replica), observing)
        self._made: Mapping[str, MadeChannel] = {}
        self._keeping = RetentionRules(math.inf, math.inf, None)
        self._receipts: dict[int, Receipts] = {}
        self._replica = replica
        self._replicas = replicas
        self.collects = replicas is None or replicas.is_collector
        """Whether incidents, readiness and scans are ours, and not another replica's."""
        self._incidents = IncidentsDriver(outbox, consumes=self.collects, seen=grouping.note)
        beaten = (lambda: None) if replicas is None else replicas.beaten
        self._readiness = ReadinessDriver(outbox, observing.namespaces, judges=self.collects, beaten=beaten)
        self._following: asyncio.Task[None] | None = None
        """Who follows the labels of namespaces, by the configuration in force."""

    @classmethod
    async def open(
        cls, part: KeeperPart, observing: MetricsObserver, replica: str, tending: Tending, config: Path
    ) -> KeeperHalf:
        """Open the outbox, with what the file `config` says.

        Raises:
            OutboxError: It can't be opened.
            ConfigurationError: The address at which other replicas call is taken.
        """
        path, collector, replicas = part.settings.outbox.path, part.settings.incidents.collector, None
        outbox = await SqliteOutbox.open(path, replica, observer=observing)
        if collector is not None:
            known_by = identity_file(path)
            replicas = AmongReplicas(outbox, replica, collector, observing, config=config, known_by=known_by)
            try:
                await replicas.listen()
            except ConfigurationError:
                await outbox.close()
                raise
        half = cls(outbox, observing, replica, tending, replicas)
        await half._incidents.begin()
        return half

    @property
    def cluster(self) -> ClusterInForce:
        """The cluster's API."""
        return self._cluster

    @property
    def intake(self) -> BatchIntake:
        """Where events come in."""
        return self._intake

    @property
    def failure(self) -> str:
        """Why it can't do its work any more; empty while it can."""
        return "" if self._outbox.is_alive else "the outbox's writer has ended"

    @property
    def ended_lanes(self) -> str:
        """Which lanes have ended although nobody has stopped them; empty while none has."""
        return self._dispatcher.failure

    def watch_while(self, is_watching: Callable[[], bool]) -> None:
        """Take it from this whether requests of the API server can reach a gate of ours now."""
        self._readiness.is_watching = is_watching

    def prepare(self, part: KeeperPart) -> Mapping[str, MadeChannel]:
        """What a configuration makes; nothing is changed yet. Raises ConfigurationError."""
        return channels(part, self._made, self._observing.fell_back)

    async def commit(
        self, part: KeeperPart, made: Mapping[str, MadeChannel], generation: int, identity: ReplicaIdentity | None
    ) -> None:
        """Deliver by this from now on.

        `generation` is the configuration's number, `identity` what other replicas know us by.
        """
        before, self._made = self._made, made
        outbox = part.settings.outbox
        self._keeping = RetentionRules(outbox.keep, outbox.keep_set_aside, outbox.max_size)
        settings = part.settings
        self._incidents.rules = IncidentRules.of(
            settings.incidents,
            settings.time_intervals,
            settings.routes,
            self._replica,
            outbox.keep,
            rates={one.name: one.rate for one in settings.destinations if one.rate is not None},
            resend_every={one.name: one.resends for one in settings.destinations if one.resends is not None},
            cluster=settings.cluster,
            exemptions=settings.exemptions,
        )
        if self._following is not None:
            self._following.cancel()
        await self._cluster.replace(settings.kubernetes)
        self._object_events.is_on = settings.kubernetes is not None and settings.kubernetes.events
        if self.collects and settings.kubernetes is not None and labels.are_needed(settings.enforcement):
            following = labels.follow_unlabelled(self._cluster.get, settings.enforcement)
            self._following = self._tending.let_end("name what no label enforces", following)
        self._readiness.by = Readiness(settings.readiness, self._incidents.rules, Enforcement(settings.enforcement))
        by_name = {name: one.channel for name, one in made.items()}
        if self._receipts:
            self._tending.let_end("forget old receipts", self._forgotten_later(max(self._receipts), before, made))
        self._receipts[generation] = Receipts(by_name, self._observing)
        await self._dispatcher.replace(by_name)
        if self._replicas is not None and identity is not None:
            scanned = (settings.scan or ScanSettings()).namespaces
            terms = Terms(settings.cluster, self._replica, self._incidents.rules.routes, scanned)
            await self._replicas.show(identity, terms, self._incidents.wake)
        self._tending.let_end("notice removed destinations", self._noticing_removed())

    def keep_house(self) -> None:
        """Forget, now and then, what nobody needs any more, and report what waits, whether anybody asks or not."""
        self._tending.keep("forget old events", self._keeping_house())
        self._tending.keep("make room in the outbox", self._making_room())
        self._tending.keep("report what waits", self._reporting_what_waits())
        self._tending.keep("make incidents of events", self._incidents.run())
        if self._replicas is not None and not self._replicas.is_collector:
            self._tending.keep("hand over events to the collector", self._replicas.hand_over())
        self._tending.keep("tell of refusals on objects of the cluster", self._object_events.run())
        self._tending.keep("watch over readiness", self._readiness.run())
        self._tending.let_end("give older deliveries their severity", self._giving_severities())

    async def receipts(
        self, generation: int, body: bytes, event_id: str, destinations: Sequence[str], deadline: float
    ) -> frozenset[str]:
        """Who of these gave a receipt for the event before the deadline (event loop's time).

        A generation of before this half was made is not known any more: the newest is asked.
        """
        known = self._receipts.get(generation) or self._receipts[max(self._receipts)]
        return await known.obtain(body, event_id, destinations, deadline)

    async def grants(self, namespace: str) -> Sequence[Grant]:
        """What break-glass lets in at this moment in a namespace; raises OutboxError."""
        own = await self._outbox.read(partial(grants.in_force, namespace=namespace, now=time.time()))
        if self._replicas is None:
            return own
        try:
            others = await self._replicas.grants(namespace)
        except ReplicaError as error:
            log.warning("grants_of_others_unknown", namespace=namespace, cause=str(error))
            return own
        return [*own, *(one for one in others if one not in own)]

    async def report_waiting(self) -> None:
        """Report what waits; raises OutboxError."""
        self._observing.waiting(await self._outbox.waiting(), time.time())

    async def close(self, patience: float) -> None:
        """Give attempts under way so many seconds, and end."""
        if self._replicas is not None:
            await self._replicas.close()
        self._incidents.stop()
        await self._dispatcher.stop(patience)
        await self._outbox.close()
        await self._cluster.close()

    async def _forgotten_later(
        self, generation: int, before: Mapping[str, MadeChannel], after: Mapping[str, MadeChannel]
    ) -> None:
        try:
            await asyncio.sleep(GRACE)
        finally:
            self._receipts.pop(generation, None)
            kept = {id(one.channel.destination) for one in after.values()}
            for one in before.values():
                if id(one.channel.destination) not in kept:
                    await one.channel.destination.close()

    async def _reporting_what_waits(self) -> None:
        while True:
            with contextlib.suppress(OutboxError):  # the next look may find it
                await self.report_waiting()
            await asyncio.sleep(REPORTING)

    async def _keeping_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                forgotten = await self._outbox.retention.tidy(self._keeping, self._made)
            except OutboxError as error:
                log.warning("housekeeping_failed", cause=str(error))
            else:
                log.info("events_forgotten", count=forgotten)

    async def _noticing_removed(self) -> None:
        """Beside the start, since it counts all that waits."""
        with contextlib.suppress(OutboxError):  # it is looked at again every hour
            await self._outbox.retention.notice_removed(self._made)

    async def _giving_severities(self) -> None:
        try:
            given = await self._outbox.give_severities()
        except OutboxError as error:
            log.warning("severities_not_given", cause=str(error))  # they count as medium until the next start
        else:
            if given:
                log.info("severities_given", count=given)

    async def _making_room(self) -> None:
        while True:
            await asyncio.sleep(ROOM)
            try:
                await self._outbox.retention.make_room(self._keeping)
            except (OutboxError, OSError) as error:
                log.warning("no_room_made", cause=str(error))
            if self._replicas is not None:
                await self._replicas.keep_again()
