"""The running router, both halves in one event loop: start, reload, drain. For the demo, and for tests.

`gatecrier serve` runs the same halves in processes of their own (`router.assembly.product`).

Start, in order: configuration, outbox, delivery of what waits there, gate, webhook, ready. Nothing listens before all
of it is there.
Reload: a configuration that can't be used is refused, said loudly, and the old one stays whole. A good one is read,
checked and compiled beside the loop, and comes into force in one turn of it. What is read at the start only keeps its
running value, and a change of it is said to need a restart. Reloads come one after the other, after the start, and none
after the end has begun.
Health fails when a task of ours has ended that must not: it would be missed only when it is needed.
Drain: nobody new, those in hand are answered, attempts to deliver end, the outbox is closed. What could not be
delivered stays in it. What was opened is closed in the other order, and a start that fails closes what it has opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from router import __version__
from router.admission.asked import ObtainReceipts
from router.assembly.door import trial_pair
from router.assembly.gate_half import FINISH, GateHalf
from router.assembly.keeper_half import KeeperHalf
from router.assembly.observing import Observing
from router.assembly.tending import Tending
from router.errors import ConfigurationError, OutboxError
from router.pem import Pair
from router.server.limits import OPERATIONS
from router.server.listening import Listener
from router.server.operations import Health, operations_application
from router.server.sockets import listening_sockets
from router.settings.loading import Loaded, attempt, load
from router.settings.parts import GatePart, KeeperPart
from router.settings.restarting import in_force
from router.settings.tree import Settings
from router.settings.watching import watch
from router.telemetry import metrics
from router.telemetry.logs import logger

log = logger()

DRAIN = 10.0
"""Seconds that attempts to deliver get to end, at most."""


class Router:
    """One router with one configuration file."""

    def __init__(self, config: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._replica = environment.get("HOSTNAME") or socket.gethostname()
        self._metrics = metrics.create(__version__)
        self._observing = Observing(self._metrics)
        self._health = Health(failure=self._failure)
        self._tending = Tending()
        self._opened = contextlib.AsyncExitStack()
        self._reading = asyncio.Lock()
        self._is_running = False
        self._watched: Mapping[Path, bytes | None] = {}
        self._generation = 0
        self._trial: Pair | None = None
        self.settings: Settings
        """Those in force."""
        self.keeper: KeeperHalf
        self.gate: GateHalf

    async def start(self) -> None:
        """Read the configuration, open everything, listen.

        Raises:
            ConfigurationError: The configuration can't be used, or an address is taken.
            OutboxError: The outbox can't be opened.
        """
        async with self._reading:
            await self._start()

    async def _start(self) -> None:
        loaded = load(self._config, self._environment)
        warn(loaded)
        settings, opened = loaded.settings, self._opened
        application = operations_application(self._health, self._exposed)
        operations = Listener(application, settings.operations.listen, self._observing, limits=OPERATIONS)
        opened.push_async_callback(operations.close, FINISH)
        keeping = KeeperPart(settings, loaded.templates)
        self.keeper = await KeeperHalf.open(keeping, self._observing, self._replica, self._tending)
        opened.push_async_callback(self._stop_keeping)
        self.gate = GateHalf(self.keeper.intake, self._observing, self._replica, self._tending)
        await self._replace(loaded)
        opened.push_async_callback(self._tending.close)
        opened.push_async_callback(self.gate.close)
        await self.gate.listen(await listening_sockets(settings.webhook.listen))
        await operations.start()
        self._watched = loaded.watched
        self._tending.keep("watch files", watch(self._watched, self._reload))
        self.keeper.keep_house()
        self._is_running = True
        self._set_ready(is_ready=True)
        log.info("router_started", version=__version__, cluster=settings.cluster, webhook=str(settings.webhook.listen))

    async def reload(self) -> None:
        """Take the configuration as it is now, or keep the old one."""
        await self._reload()

    async def stop(self) -> None:
        """Drain and close, also after a start that failed half way."""
        self._is_running = False
        self._set_ready(is_ready=False)
        await self._opened.aclose()
        await self._tending.close()
        log.info("router_stopped")

    async def _stop_keeping(self) -> None:
        await self.keeper.close(DRAIN if self._generation == 0 else self.settings.webhook.patience_of_delivery(DRAIN))

    def _failure(self) -> str:
        return self.keeper.failure or self._tending.failure or self.keeper.ended_lanes

    async def _reload(self) -> Mapping[Path, bytes | None]:
        async with self._reading:  # else what was read first could come into force last
            if self._is_running:
                await self._reload_alone()
            return self._watched

    async def _reload_alone(self) -> None:
        found = await asyncio.to_thread(attempt, self._config, self._environment)
        if not self._is_running:
            return
        if not isinstance(found, Loaded):
            self._watched = {**self._watched, **found.watched}
            self._refuse(found.text.splitlines()[:50])
            return
        self._watched = found.watched
        try:
            settings, changed = in_force(self.settings, found.settings)
            await self._replace(dataclasses.replace(found, settings=settings))
        except ConfigurationError as error:
            self._refuse([str(error)])
            return
        self._observing.reloaded(is_taken=True)
        warn(found)
        if changed:
            log.warning("restart_needed", settings=changed, advice="the running values stay in force until then")
        log.info("configuration_taken", cluster=settings.cluster, rules=len(settings.policy))

    def _refuse(self, problems: list[str]) -> None:
        self._observing.reloaded(is_taken=False)
        log.error("configuration_refused", problems=problems, advice="the old one stays in force")

    async def _replace(self, loaded: Loaded) -> None:
        settings, generation = loaded.settings, self._generation + 1
        keeping = KeeperPart(settings, loaded.templates)
        made = self.keeper.prepare(keeping)
        receipts: ObtainReceipts = partial(self.keeper.receipts, generation)
        if settings.webhook.tls == "self-signed" and self._trial is None:
            self._trial = trial_pair(settings.webhook.listen.host)
        decided_by = self.gate.prepare(GatePart(settings, loaded.policy), receipts, trial=self._trial)
        # All that could be refused has been done; from here to the first await is one turn of the loop.
        self._generation, self.settings = generation, settings
        self.gate.commit(decided_by)
        self._observing.expect_destinations(list(made))
        await self.keeper.commit(keeping, made, generation)

    async def _exposed(self) -> bytes:
        self._observing.connections(self.gate.connections())
        with contextlib.suppress(OutboxError):  # everything else is still worth telling, and then the more so
            await self.keeper.report_waiting()
        return self._metrics.exposed()

    def _set_ready(self, *, is_ready: bool) -> None:
        self._health.is_ready = is_ready
        self._observing.ready(is_ready=is_ready)


def warn(loaded: Loaded) -> None:
    """Log what is allowed but probably not meant."""
    for warning in loaded.warnings:
        log.warning("configuration_questionable", warning=warning)
