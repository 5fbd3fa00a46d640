"""Where we never connect to: whoever deploys chooses image names, and a name can lead anywhere.

Rules:

1. Link-local (where clouds answer metadata: 169.254.169.254 hands out credentials of the node), the metadata
   addresses that are not link-local, unspecified, multicast and reserved addresses are refused. Loopback and private
   ones are not: that is where registries inside a cluster live.
2. An IPv6 address that embeds an IPv4 address (mapped, compatible, 6to4, NAT64) is judged as that one, too.
3. A name is judged by what it resolves to at the moment of connecting, and *all* its addresses must be allowed: the
   addresses that were judged are those that are connected to, so a second answer of the name server changes nothing.
4. Literal addresses never reach a resolver: they are judged before the request.

With a proxy the proxy resolves: literal targets are judged all the same, names are the proxy's to judge.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

from aiohttp.abc import AbstractResolver, ResolveResult

from router.errors import ForbiddenAddressError
from router.registry.lookups import SharedLookups

_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Azure, Google Cloud and others
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google Cloud over IPv6
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's wire server
        "192.0.0.192",  # Oracle Cloud, old
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_LOOPBACK = ipaddress.ip_address("::1")
_KINDS = "a link-local, metadata, multicast or reserved address, which is never connected to"


def is_forbidden(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one that we never connect to (rules 1 and 2)."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return is_forbidden(ipaddress.IPv6Address(int(address)))
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_reserved
    return any(is_forbidden(embedded) for embedded in _embedded(address))


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    found = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or (address in _COMPATIBLE and address != _LOOPBACK):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


@lru_cache(maxsize=4096)
def is_forbidden_literal(host: str) -> bool:
    """Whether a host is written as an address and that address is forbidden; a name is not judged here."""
    try:
        return is_forbidden(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


def refuse_literal(host: str) -> None:
    """Raise ForbiddenAddressError where `host` is a forbidden address (rule 4)."""
    if is_forbidden_literal(host):
        raise ForbiddenAddressError(
            f"{host} is a link-local, metadata, multicast or reserved address: never connected to"
        )


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those that lead to a forbidden address (rule 3)."""

    def __init__(self) -> None:
        self._lookups = SharedLookups()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a name; raises ForbiddenAddressError, or OSError where it has none."""
        found = await self._lookups.held().addresses(host, family)
        for _, address in found:
            if is_forbidden_literal(address):
                raise ForbiddenAddressError(f"{host} leads to {address}, {_KINDS}")
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
