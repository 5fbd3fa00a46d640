"""Probes and metrics, on a port of their own and without TLS.

`/healthz` is 503 only where a restart mends something, and nothing in memory is lost by it (`Unhealthy`); `/readyz` is
503 where requests should go elsewhere (`Unready`); both say why. Whatever else is wrong is trouble
(`router.telemetry.causes`): neither a restart nor another replica would mend it. `/metrics` is for Prometheus.

Metrics are dear to write out. All who ask while they are being written out get the next ones together, so that whoever
asks without end takes no more time than one who does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from router.telemetry.metrics import CONTENT_TYPE


class Unhealthy(StrEnum):
    """Why `/healthz` is 503; what we hold in memory by then is nothing that others wait for."""

    TASK_ENDED = "a task of ours has ended, so that changes of the configuration, say, are not noticed any more"
    SEAT_GIVEN_UP = "a process that has ended is not started again"


class Unready(StrEnum):
    """Why `/readyz` is 503; the first that holds is told."""

    STARTING = "the start is not complete"
    LEAVING = "we were told to leave (SIGTERM)"
    NO_KEEPER = "the keeper process is being started again"
    NO_GATE = "every gate process is being started again"
    NO_CERTIFICATE = "there is no certificate yet that the API server trusts (webhook.tls: managed)"
    RESTARTING = "a process ends again and again, five times in a row before it had been ready for a second"


def unready(
    phase: Unready | None, *, has_keeper: bool, has_gate: bool, is_hopeless: bool, has_certificate: bool = True
) -> Unready | None:
    """Why requests should go elsewhere; None while they should come.

    Args:
        phase: Whether the start is not complete, or we were told to leave.
        has_keeper: Whether a keeper is ready.
        has_gate: Whether a gate is ready.
        is_hopeless: Whether a process ends again and again.
        has_certificate: Whether there is one to show.
    """
    if phase is not None:
        return phase
    if not has_keeper:
        return Unready.NO_KEEPER
    if not has_gate:
        return Unready.NO_GATE
    if not has_certificate:
        return Unready.NO_CERTIFICATE
    return Unready.RESTARTING if is_hopeless else None


@dataclass(slots=True)
class Health:
    """What the probes tell; the running router changes it."""

    unready: Unready | None = Unready.STARTING
    failure: Callable[[], Unhealthy | None] = lambda: None
    """Says why the process can't do its work any more; None while it can."""


def _answer(good: str, reason: Unhealthy | Unready | None) -> web.Response:
    return web.Response(text=f"{good}\n") if reason is None else web.Response(status=503, text=f"{reason}\n")


class _Together:
    """Writes metrics out for all who wait for them at once."""

    def __init__(self, write: Callable[[], Awaitable[bytes]]) -> None:
        self._write = write
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None

    async def exposed(self) -> bytes:
        """The metrics as they are now."""
        if self._next is None:
            self._next = asyncio.create_task(self._expose())
        return await asyncio.shield(self._next)  # who goes away does not end it for the others

    async def _expose(self) -> bytes:
        async with self._turn:
            self._next = None
            return await self._write()


def operations_application(health: Health, metrics: Callable[[], Awaitable[bytes]]) -> web.Application:
    """The three endpoints; `metrics` writes out what stands in them at this moment."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer("ok", health.failure())

    async def readyz(_: web.Request) -> web.Response:
        return _answer("ready", health.unready)

    async def expose(_: web.Request) -> web.Response:
        return web.Response(body=await together.exposed(), headers={"Content-Type": CONTENT_TYPE})

    together = _Together(metrics)

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", expose)
    return application
