"""Two replicas on this machine: one collects, the other hands over."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from router.cli.demo.world import free_port
from router.fields import ListenAddress
from router.incidents import ledger
from router.outbox.sqlite import SqliteOutbox
from router.pem import KeyPair
from router.replicas.collecting import Collecting
from router.replicas.handing_over import HandingOver
from router.replicas.identity import ReplicaIdentity, identity
from router.routing import RouteSettings, RoutingTree
from router.scanning.recording import Terms
from router.server.certificates import self_signed
from router.server.sockets import listening_sockets
from router.telemetry.causes import Cause
from tests.patience import PATIENCE
from tests.server.stage import Facts

NOW = dt.datetime.now(dt.UTC)
OF_DAY = NOW.timestamp()
SHARED = self_signed(["gatecrier.gatecrier.svc"], NOW)
"""The webhook's certificate."""
SCANS_TOLD = RouteSettings.model_validate({"destinations": ["siem"], "about": ["scan"]})


def known_by(pair: KeyPair = SHARED) -> ReplicaIdentity:
    """A replica with this certificate of the webhook."""
    return identity(pair)


@dataclass
class Troubles:
    """Remembers what is wrong now."""

    now: dict[Cause, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Remember it."""
        del subject
        self.now[cause] = text
        self.changed.set()

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Forget it."""
        del subject
        self.now.pop(cause, None)
        self.changed.set()

    async def until(self, cause: Cause | None) -> None:
        """Wait until this is all that is wrong."""
        async with asyncio.timeout(PATIENCE):
            while set(self.now) != ({cause} if cause is not None else set()):
                self.changed.clear()
                await self.changed.wait()


@dataclass
class Replicas:
    """Both, with their outboxes."""

    collector: SqliteOutbox
    other: SqliteOutbox
    address: ListenAddress
    troubles: Troubles
    handing_over: HandingOver
    config: Path
    terms: Terms = field(default_factory=lambda: Terms("c", "gatecrier-0", RoutingTree(SCANS_TOLD), ("*",)))
    woken: int = 0
    skew: float = 0.0
    """Seconds by which the collector's clock is ahead."""

    @asynccontextmanager
    async def collecting(self, own: ReplicaIdentity | None = None) -> AsyncIterator[Collecting]:
        """The collector is there."""

        def wake() -> None:
            self.woken += 1

        collecting = Collecting(
            self.collector,
            await listening_sockets(self.address),
            own or known_by(),
            Facts(),
            woken=wake,
            config=self.config,
            terms=self.terms,
            time_of_day=lambda: OF_DAY + self.skew,
        )
        await collecting.start()
        try:
            yield collecting
        finally:
            await collecting.close()

    async def collected(self) -> list[str]:
        """Ids of what the collector has, in order."""
        return [one.id for one in await self.collector.read(lambda connection: ledger.unconsumed(connection, 1000))]


@asynccontextmanager
async def replicas(folder: Path) -> AsyncIterator[Replicas]:
    """Both, opened; the collector does not listen yet."""
    collector = await SqliteOutbox.open(folder / "collector.db", "gatecrier-0")
    other = await SqliteOutbox.open(folder / "other.db", "gatecrier-1")
    for outbox in (collector, other):
        await outbox.change(ledger.begin)
    address, troubles = ListenAddress("127.0.0.1", free_port()), Troubles()
    handing_over = HandingOver(other, "gatecrier-1", address, troubles, dice=lambda: 0.0, time_of_day=lambda: OF_DAY)
    handing_over.show(known_by())
    try:
        yield Replicas(collector, other, address, troubles, handing_over, folder / "gatecrier.yaml")
    finally:
        await handing_over.close()
        await collector.close()
        await other.close()
