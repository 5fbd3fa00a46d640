"""The running router: start, reload, drain.

Start, in order: configuration, outbox, delivery of what waits there, gate, webhook, ready. Nothing listens before all
of it is there.
Reload, on SIGHUP and when a file has changed: a configuration that can't be used is refused, said loudly, and the old
one stays whole. Addresses, the outbox and limits of the webhook stay as they were at the start; a change there is said
to need a restart. Reloads come one after the other, after the start, and none after the end has begun.
A changed certificate, and changed clients, hold for new connections; changed clients end the old ones, too.
Leave, on SIGTERM: unready at once, but for `webhook.linger` everybody is answered as before, since endpoints take that
long to change; each answer is its connection's last. A second SIGTERM changes nothing, SIGINT ends the wait.
Drain, then: nobody new, those in hand are answered, attempts to deliver end, the outbox is closed. What could not be
delivered stays in it. All of it takes less than the 30 s after which Kubernetes kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import gc
import os
import signal
import socket
import time
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path

from router import __version__
from router.admission.gate import Gate
from router.admission.settings import TlsFiles, WebhookSettings
from router.admission.telling import Telling
from router.admission.unreadable import UnreadableBodies
from router.admission.webhook import Webhook
from router.assembly.building import Parts, build
from router.assembly.observing import Observing
from router.assembly.opening import open_files, raise_open_files
from router.delivery import Dispatcher, Receipts
from router.errors import ConfigurationError, OutboxError
from router.outbox.sqlite import SqliteOutbox
from router.server.certificates import load_files, load_pair, new_context, self_signed
from router.server.entrance import Clients, Entrance, asking
from router.server.limits import OPERATIONS, WEBHOOK
from router.server.listening import Listener
from router.server.operations import Health, operations_application
from router.settings.loading import Loaded, attempt
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
COLLECTING = (700, 10, 2)
"""When garbage is collected: five times as often as Python would at last, since a thousand images that can't be reached
leave so much that one collection of it held the loop for 90 ms. What was frozen at the start costs none of them."""


class Router:
    """One router with one configuration file."""

    def __init__(self, config: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._replica = environment.get("HOSTNAME") or socket.gethostname()
        self._metrics = metrics.create(__version__)
        self._observing = Observing(self._metrics)
        self._health = Health(failure=self._failure)
        self._files: frozenset[Path] = frozenset()
        self._trial: tuple[bytes, bytes] | None = None
        self._entrance: Entrance
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Lock()
        self._is_ending = False
        self._parts: Parts
        self._gate: Gate
        self._outbox: SqliteOutbox
        self._dispatcher: Dispatcher
        self._listeners: list[Listener] = []

    async def start(self) -> None:
        """Read the configuration, open everything, listen.

        Raises:
            ConfigurationError: The configuration can't be used, or an address is taken.
            OutboxError: The outbox can't be opened.
        """
        async with self._reading:
            await self._start()

    async def _start(self) -> None:
        loaded = self._loaded()
        settings = loaded.settings
        self._entrance = self._new_entrance(settings.webhook)
        self._outbox = await SqliteOutbox.open(settings.outbox.path, self._replica)
        self._dispatcher = Dispatcher(self._outbox.queue(self._replica), self._observing)
        self._parts = build(settings, self._replica, self._observing, None)
        self._metrics.expect_destinations(self._parts.channels)
        await self._dispatcher.replace(self._parts.channels)
        receipts = Receipts(lambda: self._parts.channels)
        telling = Telling(self._outbox, receipts.obtain, self._metrics)
        self._gate = Gate(self._parts.rules, telling, self._metrics)
        self._unreadable = UnreadableBodies(self._gate.unreadable)
        webhook = Webhook(self._gate, lambda: self._parts.settings.webhook, self._metrics, self._unreadable)
        operations = operations_application(self._health, self._metrics, self._refresh)
        asked = Listener(
            webhook.application(),
            settings.webhook.listen,
            self._metrics,
            entrance=lambda: self._entrance,
            limits=dataclasses.replace(WEBHOOK, most=min(WEBHOOK.most, open_files() // 2)),
        )
        await self._listen(asked)
        await self._listen(Listener(operations, settings.operations.listen, self._metrics, limits=OPERATIONS))
        self._in_background(watch(self._watched(loaded), self._reload))
        self._in_background(self._keep_house())
        self._set_ready(is_ready=True)
        log.info("router_started", version=__version__, cluster=settings.cluster, webhook=str(settings.webhook.listen))

    async def reload(self) -> None:
        """Take the configuration as it is now, or keep the old one."""
        await self._reload()

    async def linger(self, no_longer: asyncio.Event) -> None:
        """Unready, go on answering until whoever asks has noticed, or until `no_longer`."""
        self._set_ready(is_ready=False)
        seconds = self._parts.settings.webhook.linger
        log.info("router_leaving", linger=seconds)
        for listener in self._listeners[:1]:
            listener.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await no_longer.wait()

    async def stop(self) -> None:
        """Drain and close, also after a start that failed half way."""
        self._is_ending = True
        self._set_ready(is_ready=False)
        for listener in self._listeners[:1]:
            await listener.close(self._parts.settings.webhook.deadline + FINISH)
        if hasattr(self, "_unreadable"):
            await self._unreadable.close()
            await self._gate.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_dispatcher"):
            await self._dispatcher.stop(self._patience())
        if hasattr(self, "_parts"):
            await self._parts.registry.close()
        if hasattr(self, "_outbox"):
            await self._outbox.close()
        for listener in self._listeners[1:]:
            await listener.close(FINISH)
        log.info("router_stopped")

    def _loaded(self) -> Loaded:
        found = attempt(self._config, self._environment)
        if not isinstance(found, Loaded):
            raise ConfigurationError(found.text)
        for warning in found.warnings:
            log.warning("configuration_questionable", warning=warning)
        return found

    async def _listen(self, listener: Listener) -> None:
        await listener.start()
        self._listeners.append(listener)

    def _patience(self) -> float:
        return self._parts.settings.webhook.patience_of_delivery(DRAIN) if hasattr(self, "_parts") else 0.0

    def _new_entrance(self, webhook: WebhookSettings) -> Entrance:
        context, tls, clients = new_context(), webhook.tls, webhook.clients
        if isinstance(tls, TlsFiles):
            load_files(context, tls.certificate, tls.key)
        else:
            load_pair(context, *self._self_signed(webhook.listen.host))
        if clients is None:
            return asking(context, None)
        return asking(context, Clients(clients.authority, None if clients.names is None else frozenset(clients.names)))

    def _self_signed(self, host: str) -> tuple[bytes, bytes]:
        if self._trial is None:
            names = dict.fromkeys(["localhost", "127.0.0.1", "gatecrier.gatecrier.svc", host or "localhost"])
            shown = [name for name in names if name not in {"0.0.0.0", "::"}]  # noqa: S104 - not bound, left out
            self._trial = self_signed(shown, dt.datetime.now(dt.UTC))
            advice = "no API server trusts it; give webhook.tls a certificate and key"
            log.warning("certificate_self_signed", advice=advice)
        return self._trial

    def _watched(self, loaded: Loaded) -> frozenset[Path]:
        tls = loaded.settings.webhook.tls
        self._files = loaded.files | ({tls.certificate, tls.key} if isinstance(tls, TlsFiles) else frozenset())
        return self._files

    def _failure(self) -> str:
        is_broken = hasattr(self, "_outbox") and not self._outbox.is_alive
        return "the outbox's writer has ended" if is_broken else ""

    async def _reload(self) -> Iterable[Path]:
        async with self._reading:  # else what was read first could come into force last
            return await self._reload_alone()

    async def _reload_alone(self) -> Iterable[Path]:
        found = await asyncio.to_thread(attempt, self._config, self._environment)
        if self._is_ending:
            return self._files
        if not isinstance(found, Loaded):
            self._metrics.reloads.labels("refused").inc()
            log.error(
                "configuration_refused", problems=found.text.splitlines()[:50], advice="the old one stays in force"
            )
            return found.files | self._files
        try:
            await self._replace(found)
        except ConfigurationError as error:
            self._metrics.reloads.labels("refused").inc()
            log.error("configuration_refused", problems=[str(error)], advice="the old one stays in force")  # noqa: TRY400 - said to the operator
        return self._watched(found)

    async def _replace(self, loaded: Loaded) -> None:
        before, settings = self._parts, loaded.settings
        parts = build(settings, self._replica, self._observing, before)
        earlier, self._entrance = self._entrance, self._new_entrance(settings.webhook)
        if self._entrance.clients != earlier.clients:
            for listener in self._listeners[:1]:
                listener.renew()
        for name in ("listen", "max_body"):
            if getattr(settings.webhook, name) != getattr(before.settings.webhook, name):
                log.warning("restart_needed", setting=f"webhook.{name}")
        for name in ("outbox", "operations"):
            if getattr(settings, name) != getattr(before.settings, name):
                log.warning("restart_needed", setting=name)
        self._metrics.expect_destinations(parts.channels)
        self._parts = parts
        self._gate.rules = parts.rules
        await self._dispatcher.replace(parts.channels)
        self._in_background(_closed_later(before))
        self._metrics.reloads.labels("taken").inc()
        log.info("configuration_taken", cluster=settings.cluster, rules=len(settings.policy))

    async def _refresh(self) -> None:
        for listener in self._listeners[:1]:
            for state, count in listener.connections.counts().items():
                self._metrics.connections.labels(state).set(count)
        with contextlib.suppress(OutboxError):  # everything else is still worth telling, and then the more so
            self._observing.waiting(await self._outbox.waiting(), time.time())

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
        self._metrics.ready.set(is_ready)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _closed_later(parts: Parts) -> None:
    try:
        await asyncio.sleep(GRACE)
    finally:
        await parts.registry.close()


async def _serve(config: Path) -> None:
    router, loop = Router(config, os.environ), asyncio.get_running_loop()
    leave, no_longer = asyncio.Event(), asyncio.Event()
    again: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(router.reload())
        again.add(task)
        task.add_done_callback(again.discard)

    def interrupt() -> None:
        no_longer.set()
        leave.set()

    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        await router.start()
        is_known = not leave.is_set()
        gc.freeze()  # what lives from now on until the end need not be looked at by every collection
        gc.set_threshold(*COLLECTING)
        await leave.wait()
        if is_known:  # else we were told to leave before anybody could have been told that we are ready
            await router.linger(no_longer)
    finally:
        await router.stop()


def serve(config: Path) -> int:
    """Run until told to stop; returns the exit code.

    Raises:
        GatecrierError: It could not start.
    """
    raise_open_files()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(config))
    return 0


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The loop of uvloop where it is installed (Linux), else asyncio's."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - optional: it is not there on every platform

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
