"""Resolves names for whoever connects, and refuses those that lead where a guard lets nobody go.

A name is judged by what it resolves to at the moment of connecting, and *all* its addresses must be allowed: the
addresses that were judged are those that are connected to, so a second answer of the name server changes nothing.
Literal addresses never reach a resolver: who connects has them judged before.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from router.outbound.addresses import AddressGuard
from router.outbound.lookups import SharedLookups


class GuardedResolver(AbstractResolver):
    """Resolves by the lookups of the running loop, which everybody shares."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._lookups = SharedLookups()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a name; raises ForbiddenAddressError, or OSError where it has none."""
        found = await self._lookups.held().addresses(host, family)
        for _, address in found:
            self._guard.check_found(host, address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, address in found
        ]

    async def close(self) -> None:
        """End the lookups that nobody else has asked for."""
        await self._lookups.let_go()
