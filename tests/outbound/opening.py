"""Exchanges over a session of their own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp

from router.outbound.addresses import AddressGuard
from router.outbound.exchanging import HttpExchanges
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session

PATIENT = aiohttp.ClientTimeout(total=30)


@contextlib.asynccontextmanager
async def opened(
    timeout: aiohttp.ClientTimeout = PATIENT,  # noqa: ASYNC109 - the session's
    *,
    connections: int = 0,
    keep_alive: float | None = 30.0,
    traces: tuple[aiohttp.TraceConfig, ...] = (),
) -> AsyncIterator[HttpExchanges]:
    """As `open_session` takes them."""
    resolver = GuardedResolver(AddressGuard())
    exchanges = HttpExchanges(
        open_session(resolver, timeout, connections=connections, keep_alive=keep_alive, traces=traces)
    )
    try:
        yield exchanges
    finally:
        await exchanges.close()
        await resolver.close()
