"""Probes and metrics, on a port of their own and without TLS.

`/healthz` is 200 while the process can still do its work (else a restart is right); `/readyz` is 200 while requests
are taken, and 503 before the start is complete and from the moment of draining; `/metrics` is for Prometheus.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from router.telemetry.metrics import CONTENT_TYPE, Metrics


@dataclass(slots=True)
class Health:
    """What the probes tell; the running router changes it."""

    is_ready: bool = False
    failure: Callable[[], str] = str
    """Says why the process can't do its work any more; empty while it can."""


def operations_application(health: Health, metrics: Metrics, refresh: Callable[[], Awaitable[None]]) -> web.Application:
    """The three endpoints; `refresh` brings gauges up to date before they are read."""

    async def healthz(_: web.Request) -> web.Response:
        failure = health.failure()
        return web.Response(status=503, text=failure) if failure else web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if health.is_ready else web.Response(status=503, text="not ready\n")

    async def expose(_: web.Request) -> web.Response:
        await refresh()
        return web.Response(body=metrics.exposed(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", expose)
    return application
