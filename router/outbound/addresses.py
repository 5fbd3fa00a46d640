"""Where we never connect to, however a way there is written. Pure.

Whoever deploys chooses image names, whoever runs a registry redirects, and a name can lead anywhere. Rules:

1. Link-local addresses (where clouds answer metadata: 169.254.169.254 hands out credentials of the node), the metadata
   addresses that are not link-local, site-local, unspecified, multicast and reserved ones are never connected to.
2. Private and loopback addresses are a guard's to allow: registries inside a cluster live there, receivers only where
   `egress.allow` names their networks.
3. An IPv6 address that is translated to an IPv4 one (mapped, SIIT, compatible, NAT64, 6to4) is judged as that one: what
   arrives there is the IPv4 packet. One that only carries IPv4 addresses (Teredo, ISATAP) must be allowed by itself and
   as each of them.
4. Of 64:ff9b:1::/48 nobody but the network knows how long its prefix is, and so which IPv4 address is meant; nor what
   the rest of ::/8 leads to. Both are never connected to.
5. A host is a name that DNS can hold (labels of 1 to 63 letters, digits, `-` and `_`, 253 characters in all), or an
   address in the one form that everybody reads alike. What only some read as an address (`2130706433`, `0177.0.0.1`,
   `127.1`, `0x7f.1`, one with a dot behind it, one in percent signs) is neither: it is refused before anybody reads it.

With a proxy the proxy resolves: literal targets are judged all the same, names are the proxy's to judge.

Sources: RFC 6052 and 8215 (NAT64), 7915 (SIIT), 4291, clause 2.5.5 (mapped, compatible), 3056 (6to4), 4380 (Teredo),
5214 (ISATAP), 3879 (site-local); the clouds' own pages about their metadata services.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from router.errors import ForbiddenAddressError
from router.hosts import HOST_LIMIT, is_misread_number

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network" (RFC 1122): Linux takes 0.0.0.0 for loopback
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle Cloud, old
        "64:ff9b:1::/48",  # rule 4
        "fec0::/10",  # site-local
        "fd00:ec2::/32",  # AWS: metadata, credentials of Pods, name servers, time
        "fd20:ce::254/128",  # Google Cloud
        "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
        "fd00:42::42/128",  # Scaleway
        "fd00:a9fe:a9fe::1/128",  # Akamai
        "fd00:100::100:200/128",  # Alibaba Cloud
    )
)
_EVERYTHING: Final[tuple[Network, ...]] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_UNASSIGNED = ipaddress.ip_network("::/8")
_TRANSLATED: Final = tuple(ipaddress.ip_network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
_NAME = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?", re.ASCII)
_LOOPBACK = ipaddress.IPv6Address("::1")
_ISATAP, _EUI_UNIVERSAL = 0x5EFE, 0x0200_0000
_NEVER_WHY = "a link-local, metadata, multicast or reserved address, which is never connected to"


class AddressGuard:
    """Says which addresses may be connected to."""

    def __init__(self, allowed: Sequence[Network] = _EVERYTHING) -> None:
        """Allow these networks beside the public addresses; rule 1 holds whatever stands there."""
        self._allowed = tuple(allowed)
        self._why_not = lru_cache(maxsize=4096)(self._judged)

    def check(self, host: str) -> None:
        """Raise ForbiddenAddressError where `host` is an address that is not allowed, or neither address nor name.

        Names pass: they are judged by what they lead to.
        """
        if (why := self._why_not(host)) is not None:
            raise ForbiddenAddressError(f"{host[:300]} is {why}")

    def check_found(self, host: str, address: str) -> None:
        """Raise ForbiddenAddressError where a name leads to an address that is not allowed."""
        if (why := self._why_not(address)) is not None:
            raise ForbiddenAddressError(f"{host} leads to {address}, {why}")

    def allows(self, address: Address) -> bool:
        """Whether we may connect there."""
        return not is_forbidden(address) and all(
            one.is_global or any(one in network for network in self._allowed) for one in _led_to(address)
        )

    def _judged(self, host: str) -> str | None:
        try:
            address = address_of(host)
        except ValueError as error:
            return str(error)
        if address is None or self.allows(address):
            return None
        if is_forbidden(address):
            return _NEVER_WHY
        return "no public address and not in egress.allow; name its network there if it is meant"


def address_of(host: str) -> Address | None:
    """The address that a host is written as, with or without brackets; None where it is a name.

    Raises:
        ValueError: It is neither (rule 5).
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if len(text.removesuffix(".")) > HOST_LIMIT:
        raise ValueError("no name that DNS can hold")
    if ":" in text:
        return ipaddress.IPv6Address(text)
    if not _NAME.fullmatch(text):
        raise ValueError("no name that DNS can hold")
    if is_misread_number(text):
        raise ValueError("a number that some read as an IPv4 address; that is written as four numbers from 0 to 255")
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def is_forbidden(address: Address) -> bool:
    """Whether an address is one that is never connected to (rules 1, 3 and 4)."""
    return any(_is_never(one) for one in _led_to(address))


def _is_never(address: Address) -> bool:
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    if any(address in network for network in _NEVER):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_reserved
    return address in _UNASSIGNED and address != _LOOPBACK


def _led_to(address: Address) -> Iterator[Address]:
    """Every address that it can lead to, and by which it is judged (rule 3)."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    bare = ipaddress.IPv6Address(int(address))  # without a zone
    meant = bare.ipv4_mapped or bare.sixtofour
    if meant is not None:
        yield meant
    elif int(bare) > 1 and any(bare in network for network in _TRANSLATED):
        yield _low(bare)
    else:
        yield bare
        yield from bare.teredo or ()
        if (int(bare) >> 32) & 0xFFFF_FFFF & ~_EUI_UNIVERSAL == _ISATAP:
            yield _low(bare)


def _low(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
