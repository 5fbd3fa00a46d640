"""Addresses that the settings of a destination have written out, in place of a name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from yarl import URL

from router.by_reference import Secret
from router.destinations.service_accounts import ServiceAccountKey
from router.destinations.settings import CommonSettings, revealed
from router.destinations.socket_settings import SocketEndpoint
from router.outbound.addresses import Address, address_of

_KEYS = ("address", "api", "authority", "credentials", "proxy", "url", "urls")


class Literal(NamedTuple):
    """An address in a URL, or in a file that says where tokens are granted."""

    path: tuple[str | int, ...]
    """In the settings."""
    address: Address
    is_referenced: bool
    """Whether it stands in a secret, of which nothing may be shown."""


def literal_addresses(settings: CommonSettings) -> Iterator[Literal]:
    """Every address that something would be sent to, as far as it is known without asking for a name."""
    for key, value in settings:
        for path, one in _places(key, value) if key in _KEYS else ():
            if (address := _address(one)) is not None:
                yield Literal(path, address, isinstance(one, Secret))


def _places(key: str, value: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, tuple):
        yield from (((key, number), one) for number, one in enumerate(value))
    else:
        yield (key,), value


def _address(place: object) -> Address | None:
    try:
        return address_of(_host(place))
    except ValueError:
        return None


def _host(place: object) -> str:
    match place:
        case SocketEndpoint(host):
            return host
        case ServiceAccountKey(account=account):
            return "" if account is None else URL(account.token_uri).raw_host or ""
        case str() | Secret():
            return URL(revealed(place)).raw_host or ""
        case _:  # nothing is said
            return ""
