"""Probes and metrics, on a port of their own and without TLS.

`/healthz` is 200 while the process can still do its work (else a restart is right); `/readyz` is 200 while requests
are taken, and 503 before the start is complete and from the moment of draining; `/metrics` is for Prometheus.

Metrics are dear to write out. All who ask while they are being written out get the next ones together, so that whoever
asks without end takes no more time than one who does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from router.telemetry.metrics import CONTENT_TYPE


@dataclass(slots=True)
class Health:
    """What the probes tell; the running router changes it."""

    is_ready: bool = False
    failure: Callable[[], str] = str
    """Says why the process can't do its work any more; empty while it can."""


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
        failure = health.failure()
        return web.Response(status=503, text=failure) if failure else web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if health.is_ready else web.Response(status=503, text="not ready\n")

    async def expose(_: web.Request) -> web.Response:
        return web.Response(body=await together.exposed(), headers={"Content-Type": CONTENT_TYPE})

    together = _Together(metrics)

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", expose)
    return application
