"""Connects to what is no HTTP, by the same rules: every address is judged, and those that were judged are connected to.

A name's addresses are tried in their order until one takes the connection. Nothing is sent here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from router.outbound.addresses import AddressGuard
from router.outbound.resolving import GuardedResolver


class Connector:
    """Connects where a guard allows it."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._resolver: GuardedResolver | None = None

    async def addresses(self, host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        """Where a host leads, the best first; raises ForbiddenAddressError, or OSError where it leads nowhere."""
        self._guard.check(host)
        if self._resolver is None:
            self._resolver = GuardedResolver(self._guard)
        found = await self._resolver.resolve(host, port)
        return [(socket.AddressFamily(one["family"]), one["host"]) for one in found]

    async def stream(
        self, host: str, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection, with TLS where there is a context for it.

        Raises:
            ForbiddenAddressError: The guard does not allow where it leads.
            OSError: No address took the connection; `ssl.SSLError` where TLS failed.
        """
        failure: OSError | None = None
        for _, address in await self.addresses(host, port):
            try:
                return await asyncio.open_connection(
                    address, port, ssl=tls, server_hostname=None if tls is None else host
                )
            except OSError as error:
                failure = error
        raise failure or OSError("the name has no address")

    async def datagrams(self, host: str, port: int) -> socket.socket:
        """A socket whose datagrams go there; raises as `stream`."""
        family, address = (await self.addresses(host, port))[0]
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        try:
            datagrams.setblocking(False)
            datagrams.connect((address, port))
        except OSError:
            datagrams.close()
            raise
        return datagrams

    async def close(self) -> None:
        """End lookups."""
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()
