"""The running router, both halves in one event loop: start, reload, drain. For the demo, and for tests.

`gatecrier serve` runs the same halves in processes of their own (`router.assembly.product`).

Start, in order: configuration, outbox, delivery of what waits there, gate, webhook, ready. Nothing listens before all
of it is there.
Trusted roots stay as they came with package and configuration: nothing is refreshed here.
Reload (`reloading`): a configuration comes into force in one turn of the loop.
Health fails when a task of ours has ended that must not: it would be missed only when it is needed.
Drain: nobody new, those in hand are answered, attempts to deliver end, the outbox is closed. What could not be
delivered stays in it. What was opened is closed in the other order, and a start that fails closes what it has opened.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from router import __version__
from router.admission.request_context import ObtainReceipts
from router.assembly.attention import Attention
from router.assembly.door import identity_for, trial_for
from router.assembly.gate_half import FINISH, GateHalf
from router.assembly.keeper_half import DRAIN, KeeperHalf
from router.assembly.observing import MetricsObserver
from router.assembly.reloading import Reloading
from router.assembly.tending import Tending
from router.decision import Grant
from router.errors import ConfigurationError, OutboxError
from router.pem import KeyPair
from router.replicas.naming import own_name
from router.server.limits import OPERATIONS
from router.server.listening import Listener
from router.server.operations import Health, Unhealthy, Unready, operations_application
from router.server.sockets import listening_sockets
from router.settings.loading import Loaded
from router.settings.parts import GatePart, KeeperPart
from router.settings.tree import Settings
from router.telemetry import metrics
from router.telemetry.logs import logger

log = logger()


class Router:
    """One router with one configuration file."""

    def __init__(self, config: Path, environment: Mapping[str, str]) -> None:
        self._replica = own_name(environment)
        self._metrics = metrics.create(__version__)
        self._attention = Attention(self._metrics, self._replica)
        self._observing = MetricsObserver(self._metrics, self._attention.book.held_by("router"))
        self._reloading = Reloading(config, environment, self._observing, self._replace)
        self._health = Health(failure=self._failure)
        self._tending = Tending()
        self._opened = contextlib.AsyncExitStack()
        self._generation = 0
        self._trial: KeyPair | None = None
        self.keeper: KeeperHalf
        self.gate: GateHalf

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._reloading.settings

    async def start(self) -> None:
        """Read the configuration, open everything, listen.

        Raises:
            ConfigurationError: The configuration can't be used, or an address is taken.
            OutboxError: The outbox can't be opened.
        """
        await self._reloading.start(self._start)
        self._tending.keep("watch files", self._reloading.watch())
        self._tending.keep("look after troubles", self._attention.run(self.keeper.intake, self._observing))
        self._set_unready(None)
        webhook = str(self.settings.webhook.listen)
        log.info("router_started", version=__version__, cluster=self.settings.cluster, webhook=webhook)

    async def _start(self, loaded: Loaded) -> None:
        settings, opened = loaded.settings, self._opened
        application = operations_application(self._health, self._exposed)
        operations = Listener(application, settings.operations.listen, self._observing, limits=OPERATIONS)
        opened.push_async_callback(operations.close, FINISH)
        keeping = KeeperPart(settings, loaded.templates)
        self.keeper = await KeeperHalf.open(
            keeping, self._observing, self._replica, self._tending, Path(loaded.snapshot.path)
        )
        opened.push_async_callback(self._stop_keeping)
        self.gate = GateHalf(self.keeper.intake, self._observing, self._replica, self._tending)
        await self._replace(loaded)
        opened.push_async_callback(self._tending.close)
        opened.push_async_callback(self._attention.close, self.keeper.intake, self._observing)
        opened.push_async_callback(self.gate.close)
        await self.gate.listen(await listening_sockets(settings.webhook.listen))
        await operations.start()
        self.keeper.keep_house()

    async def reload(self) -> None:
        """Take the configuration as it is now, or keep the old one."""
        await self._reloading.reload()

    async def stop(self) -> None:
        """Drain and close, also after a start that failed half way."""
        self._reloading.end()
        self._set_unready(Unready.LEAVING)
        await self._opened.aclose()
        await self._tending.close()
        log.info("router_stopped")

    async def _stop_keeping(self) -> None:
        await self.keeper.close(self.settings.webhook.patience_of_delivery(DRAIN))

    def _failure(self) -> Unhealthy | None:
        is_failing = self.keeper.failure or self._tending.failure or self.keeper.ended_lanes
        return Unhealthy.TASK_ENDED if is_failing else None

    async def _replace(self, loaded: Loaded) -> None:
        settings, generation = loaded.settings, self._generation + 1
        if settings.webhook.tls == "managed":
            raise ConfigurationError("webhook.tls: managed is for `gatecrier serve`, whose keeper looks after it")
        keeping = KeeperPart(settings, loaded.templates)
        made = self.keeper.prepare(keeping)
        receipts: ObtainReceipts = partial(self.keeper.receipts, generation)
        replicas = identity_for(settings)
        self._trial = trial_for(settings.webhook, self._trial)
        part = GatePart(settings, loaded.policy)
        decided_by = self.gate.prepare(part, receipts, self._grants, pair=self._trial)
        # All that could be refused has been done; from here to the first await is one turn of the loop.
        self._generation = generation
        self.gate.commit(decided_by)
        self._observing.expect_destinations(list(made))
        self._attention.take(settings)
        await self.keeper.commit(keeping, made, generation, replicas)

    async def _grants(self, namespace: str, deadline: float) -> Sequence[Grant]:
        try:
            async with asyncio.timeout_at(deadline):
                return await self.keeper.grants(namespace)
        except (OutboxError, TimeoutError) as error:
            log.warning("grants_not_obtained", namespace=namespace, cause=str(error) or "no time was left")
            return ()

    async def _exposed(self) -> bytes:
        self._observing.connections(self.gate.connections())
        with contextlib.suppress(OutboxError):  # everything else is still worth reporting, and then the more so
            await self.keeper.report_waiting()
        return self._metrics.exposed()

    def _set_unready(self, reason: Unready | None) -> None:
        self._health.unready = reason
        self._observing.ready(is_ready=reason is None)
