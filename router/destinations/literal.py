"""Addresses that the settings of a destination have written out, in place of a name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from yarl import URL

from router.by_reference import Secret
from router.destinations.settings import CommonSettings, revealed
from router.outbound.addresses import Address, address_of

_KEYS = ("url", "api", "proxy")


class Literal(NamedTuple):
    """An address in a URL."""

    key: str
    """Of the settings: `url`, `api` or `proxy`."""
    address: Address
    is_referenced: bool
    """Whether the URL is a secret, of which nothing may be shown."""


def literal_addresses(settings: CommonSettings) -> Iterator[Literal]:
    """Every address that something would be sent to, as far as it is known without asking for a name."""
    for key, value in settings:
        if key in _KEYS and isinstance(value, str | Secret) and (address := _address(revealed(value))) is not None:
            yield Literal(key, address, isinstance(value, Secret))


def _address(url: str) -> Address | None:
    try:
        return address_of(URL(url).raw_host or "")
    except ValueError:
        return None
