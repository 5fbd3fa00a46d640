"""Hosts of registries in the one form in which names, patterns, credentials and caches compare them. Pure.

The canonical form of a host leads where the text as written leads:

a. in lower case;
b. a port has no leading zeros and is 1 to 65535. 443 is left out, since it is what a name without a port means;
   but a single label other than `localhost` keeps it (`registry:443`, also for `Registry/app`), because without one
   it would be read as a path. Port 80 always stays: which registries speak without TLS is no part of a name;
c. an IPv6 address is compressed (RFC 5952). An IPv4 address within one (`::ffff:7f00:1`) is read in just this form,
   and is the IPv4 address then; in any other it is refused;
d. a name whose last label is a number (`127.1`, `0177.0.0.1`, `0x7f.1`) is an IPv4 address to resolvers, to each in
   its own way: it is refused unless it is four numbers from 0 to 255 without leading zeros;
e. the names at which Docker Hub answers are `docker.io`. Its credentials still go to its own host only.

Refused, unlike in the Go code that `router.images` names: hosts of more than 253 characters, which no name server
knows, and ports and addresses that are none (b to d). Lengths are checked before anything is searched in a text.
"""

from __future__ import annotations

import ipaddress
import re

from router.errors import InvalidReferenceError
from router.text import shown

HOST_LIMIT = 253
"""Characters of a host without its port: what a name in DNS can have (RFC 1035, clause 2.3.4)."""
HUB = "docker.io"
"""The canonical name of Docker Hub."""
HUB_NAMES = frozenset(
    {HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "registry.ipv6.docker.com"}
)
"""The names at which Docker Hub answers, all with the same repositories."""

_DEFAULT_PORT, _HIGHEST_PORT, _HIGHEST_OCTET, _OCTETS = 443, 65535, 255, 4
_COMPONENT = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REGISTRY = re.compile(_DOMAIN, re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def is_registry(text: str) -> bool:
    """Whether a text can stand as the registry of a reference: HOST or HOST:PORT, an IPv6 address in brackets."""
    try:
        canonical_registry(text)
    except InvalidReferenceError:
        return False
    return is_host(text)


def is_host(first: str) -> bool:
    """Whether the first of several path parts is read as a registry (rule 2 of `router.images`)."""
    return first == "localhost" or "." in first or ":" in first or first.lower() != first


def canonical_registry(text: str) -> str:
    """HOST or HOST:PORT in the one form in which it is compared (a to e); raises InvalidReferenceError."""
    is_long = len(text) > HOST_LIMIT + len(":65535") or len(text.partition(":")[0]) > HOST_LIMIT
    if is_long or _REGISTRY.fullmatch(text) is None:
        problem = f": it has more than {HOST_LIMIT} characters" if is_long else ""
        raise InvalidReferenceError(f"{shown(text)} is not a valid registry host{problem}")
    lowered = text.lower()
    host, bracket, port = lowered.rpartition("]")
    if bracket:
        host, port = _ipv6(text, host[1:]), port[1:]
    else:
        host, _, port = lowered.partition(":")
        _check_number(text, host)
    number = _port(text, port) if port else _DEFAULT_PORT
    if number == _DEFAULT_PORT:
        if host in HUB_NAMES:
            return HUB
        if is_host(host):
            return host
    return f"{host}:{number}"


def is_misread_number(host: str) -> bool:
    """Whether a host ends in a number, and is no IPv4 address in the one form that everybody reads alike (rule d)."""
    labels = host.split(".")
    last = host.lower().removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and not (len(labels) == _OCTETS and all(map(_is_octet, labels)))


def _ipv6(text: str, host: str) -> str:
    """Rule c."""
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError as error:
        raise InvalidReferenceError(f"{shown(text)} is not a valid registry host: no IPv6 address") from error
    within = address.ipv4_mapped
    if within is None:
        return f"[{address.compressed}]"
    high, low = divmod(int(within), 1 << 16)
    if not text.startswith(f"[::ffff:{high:x}:{low:x}]"):
        raise InvalidReferenceError(
            f"{shown(text)} is not a valid registry host: write the IPv4 address {within} itself"
        )
    return str(within)


def _check_number(text: str, host: str) -> None:
    if is_misread_number(host):
        raise InvalidReferenceError(
            f"{shown(text)} is not a valid registry host: a name that ends in a number is an IPv4 address, "
            "and that is written as four numbers from 0 to 255"
        )


def _is_octet(label: str) -> bool:
    return label.isdecimal() and str(int(label)) == label and int(label) <= _HIGHEST_OCTET


def _port(text: str, port: str) -> int:
    """Rule b."""
    number = int(port)
    if not 0 < number <= _HIGHEST_PORT:
        raise InvalidReferenceError(f"{shown(text)} is not a valid registry host: a port is 1 to {_HIGHEST_PORT}")
    return number
