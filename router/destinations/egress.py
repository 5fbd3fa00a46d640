"""Where events may be sent: never to metadata and link-local addresses, to private ones only where that is said.

The addresses that are judged are those that are connected to: names are resolved by our own resolver at the moment of
connecting, and every address must be allowed. Literal addresses are judged before the request. An IPv6 address that
leads to an IPv4 one (mapped, 6to4, NAT64) must be allowed as that one.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import ResolveResult

from router.errors import ForbiddenAddressError
from router.fields import Network, SettingsModel
from router.registry.addresses import GuardedResolver, is_forbidden

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class EgressSettings(SettingsModel):
    """Which addresses destinations may have, beyond public ones."""

    allow: tuple[Network, ...] = ()
    """Networks with private or loopback addresses that destinations may have, such as `10.0.0.0/8`. Metadata and
    link-local addresses are never allowed."""


class EgressGuard:
    """Judges addresses."""

    def __init__(self, settings: EgressSettings) -> None:
        self._allowed = settings.allow

    def check(self, host: str) -> None:
        """Raise ForbiddenAddressError where `host` is written as an address that is not allowed; names pass."""
        try:
            address: Address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return
        if not self.allows(address):
            raise ForbiddenAddressError(
                f"{host} is no public address and not in egress.allow; name its network there if it is meant"
            )

    def allows(self, address: Address) -> bool:
        """Whether we may connect there."""
        if (embedded := _embedded(address)) is not None:
            return self.allows(embedded)
        if is_forbidden(address):
            return False
        return address.is_global or any(address in network for network in self._allowed)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class EgressResolver(GuardedResolver):
    """Resolves names and refuses those that lead where events may not go."""

    def __init__(self, guard: EgressGuard) -> None:
        super().__init__()
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a name; raises ForbiddenAddressError, or OSError where it has none."""
        found = await super().resolve(host, port, family)
        for entry in found:
            self._guard.check(entry["host"])
        return found
