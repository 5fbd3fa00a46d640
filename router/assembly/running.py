"""The running router: start, reload, drain.

Start, in order: configuration, outbox, delivery of what waits there, gate, webhook, ready. Nothing listens before all
of it is there.
Reload, on SIGHUP and when a file has changed: a configuration that can't be used is refused, said loudly, and the old
one stays whole. A good one is read, checked and compiled beside the loop, and comes into force in one turn of it: a
request keeps the rules that it began with. What is read at the start only keeps its running value, and a change of it
is said to need a restart. Reloads come one after the other, after the start, and none after the end has begun.
A changed certificate, and changed clients, hold for new connections; changed clients end the old ones, too. A lane
ends only where its destination has changed, or what it renders with.
Health fails when a task of ours has ended that must not: it would be missed only when it is needed.
Leave, on SIGTERM: unready at once, but for `webhook.linger` everybody is answered as before, since endpoints take that
long to change; each answer is its connection's last. A second SIGTERM changes nothing, SIGINT ends the wait.
Drain, then: nobody new, those in hand are answered, attempts to deliver end, the outbox is closed. What could not be
delivered stays in it. All of it takes less than the 30 s after which Kubernetes kills. What was opened is closed in the
other order, and a start that fails closes what it has opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from router import __version__
from router.admission.gate import Gate
from router.admission.telling import Telling
from router.admission.unreadable import UnreadableBodies
from router.admission.webhook import Webhook
from router.assembly.building import Parts, build
from router.assembly.door import Door
from router.assembly.observing import Observing
from router.assembly.opening import open_files
from router.assembly.tending import Tending
from router.delivery import Dispatcher
from router.errors import ConfigurationError, OutboxError
from router.outbox.sqlite import SqliteOutbox
from router.server.entrance import Entrance
from router.server.limits import OPERATIONS, WEBHOOK
from router.server.listening import Listener
from router.server.operations import Health, operations_application
from router.settings.loading import Loaded, attempt, load
from router.settings.restarting import in_force
from router.settings.watching import watch
from router.telemetry import metrics
from router.telemetry.logs import logger

log = logger()

DRAIN = 10.0
"""Seconds that attempts to deliver get to end, at most."""
FINISH = 1.0
"""Seconds beyond their deadline that requests in hand get to be answered when we end."""
GRACE = 60.0
"""Seconds that connections of a replaced configuration are kept for requests that still use it."""
HOUSEKEEPING = 3600.0
"""Seconds between two looks for events that nobody needs any more."""


class Router:
    """One router with one configuration file."""

    def __init__(self, config: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._replica = environment.get("HOSTNAME") or socket.gethostname()
        self._metrics = metrics.create(__version__)
        self._observing = Observing(self._metrics)
        self._health = Health(failure=self._failure)
        self._door = Door()
        self._tending = Tending()
        self._opened = contextlib.AsyncExitStack()
        self._reading = asyncio.Lock()
        self._is_running = False
        self._watched: Mapping[Path, bytes | None] = {}
        self._entrance: Entrance
        self._parts: Parts
        self._gate: Gate
        self._outbox: SqliteOutbox
        self._dispatcher: Dispatcher
        self._listener: Listener
        """The webhook's."""

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
        _warn(loaded)
        settings, opened = loaded.settings, self._opened
        self._entrance = self._door.entrance(settings.webhook)
        application = operations_application(self._health, self._exposed)
        operations = Listener(application, settings.operations.listen, self._observing, limits=OPERATIONS)
        opened.push_async_callback(operations.close, FINISH)
        self._outbox = await SqliteOutbox.open(settings.outbox.path, self._replica)
        opened.push_async_callback(self._outbox.close)
        self._parts = build(loaded, self._replica, self._observing, None)
        opened.push_async_callback(self._close_registry)
        self._dispatcher = Dispatcher(self._outbox.queue(self._replica), self._observing)
        opened.push_async_callback(self._stop_delivering)
        self._metrics.expect_destinations(self._parts.channels)
        await self._dispatcher.replace(self._parts.channels)
        opened.push_async_callback(self._tending.close)
        self._listener = self._webhook()
        opened.push_async_callback(self._stop_listening)
        await self._listener.start()
        await operations.start()
        self._watched = loaded.watched
        self._tending.keep("watch files", watch(self._watched, self._reload))
        self._tending.keep("forget old events", self._keep_house())
        self._is_running = True
        self._set_ready(is_ready=True)
        log.info("router_started", version=__version__, cluster=settings.cluster, webhook=str(settings.webhook.listen))

    def _webhook(self) -> Listener:
        webhook = self._parts.settings.webhook
        gate = self._gate = Gate(self._parts.rules, Telling(self._outbox, self._observing), self._observing)
        self._opened.push_async_callback(gate.close)
        unreadable = UnreadableBodies(gate.unreadable)
        self._opened.push_async_callback(unreadable.close)
        return Listener(
            Webhook(gate, webhook.max_body, self._observing, unreadable).application(),
            webhook.listen,
            self._observing,
            entrance=lambda: self._entrance,
            limits=dataclasses.replace(WEBHOOK, most=min(WEBHOOK.most, open_files() // 2)),
        )

    async def reload(self) -> None:
        """Take the configuration as it is now, or keep the old one."""
        await self._reload()

    def reload_soon(self) -> None:
        """The same, for whoever can't wait; needs a running event loop."""
        self._tending.let_end("read the configuration again", self.reload())

    async def linger(self, no_longer: asyncio.Event) -> None:
        """Unready, go on answering until whoever asks has noticed, or until `no_longer`."""
        self._set_ready(is_ready=False)
        seconds = self._parts.settings.webhook.linger
        log.info("router_leaving", linger=seconds)
        self._listener.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await no_longer.wait()

    async def stop(self) -> None:
        """Drain and close, also after a start that failed half way."""
        self._is_running = False
        self._set_ready(is_ready=False)
        await self._opened.aclose()
        await self._tending.close()
        log.info("router_stopped")

    async def _stop_listening(self) -> None:
        await self._listener.close(self._parts.settings.webhook.deadline + FINISH)

    async def _stop_delivering(self) -> None:
        await self._dispatcher.stop(self._parts.settings.webhook.patience_of_delivery(DRAIN))

    async def _close_registry(self) -> None:
        await self._parts.registry.close()

    def _failure(self) -> str:
        if not self._outbox.is_alive:
            return "the outbox's writer has ended"
        return self._tending.failure or self._dispatcher.failure

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
            await self._replace(found)
        except ConfigurationError as error:
            self._refuse([str(error)])

    def _refuse(self, problems: list[str]) -> None:
        self._observing.reloaded(is_taken=False)
        log.error("configuration_refused", problems=problems, advice="the old one stays in force")

    async def _replace(self, loaded: Loaded) -> None:
        before = self._parts
        settings, changed = in_force(before.settings, loaded.settings)
        parts = build(dataclasses.replace(loaded, settings=settings), self._replica, self._observing, before)
        earlier, entrance = self._entrance, self._door.entrance(settings.webhook)
        # All that could be refused has been done; from here to the first await is one turn of the loop.
        self._entrance, self._parts, self._gate.rules = entrance, parts, parts.rules
        if entrance.clients != earlier.clients:
            self._listener.renew()
        self._metrics.expect_destinations(parts.channels)
        self._observing.reloaded(is_taken=True)
        _warn(loaded)
        if changed:
            log.warning("restart_needed", settings=changed, advice="the running values stay in force until then")
        log.info("configuration_taken", cluster=settings.cluster, rules=len(settings.policy))
        self._tending.let_end("close an old registry client", _closed_later(before, parts))
        await self._dispatcher.replace(parts.channels)

    async def _exposed(self) -> bytes:
        self._observing.connections(self._listener.connections.counts())
        with contextlib.suppress(OutboxError):  # everything else is still worth telling, and then the more so
            self._observing.waiting(await self._outbox.waiting(), time.time())
        return self._metrics.exposed()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                forgotten = await self._outbox.forget(time.time() - self._parts.settings.outbox.keep)
            except OutboxError as error:
                log.warning("housekeeping_failed", cause=str(error))
            else:
                log.info("events_forgotten", count=forgotten)

    def _set_ready(self, *, is_ready: bool) -> None:
        self._health.is_ready = is_ready
        self._observing.ready(is_ready=is_ready)


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        log.warning("configuration_questionable", warning=warning)


async def _closed_later(before: Parts, after: Parts) -> None:
    """Requests that came before go on by what was in force then, receipts too."""
    try:
        await asyncio.sleep(GRACE)
    finally:
        await before.registry.close()
        kept = {id(channel.destination) for channel in after.channels.values()}
        for channel in before.channels.values():
            if id(channel.destination) not in kept:
                await channel.destination.close()
