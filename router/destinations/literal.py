"""Addresses that the settings of a destination have written out, in place of a name. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from yarl import URL

from router.by_reference import Secret
from router.destinations.settings import CommonSettings, revealed
from router.outbound.addresses import Address, address_of

_KEYS = ("url", "urls", "api", "proxy")


class Literal(NamedTuple):
    """An address in a URL."""

    path: tuple[str | int, ...]
    """In the settings."""
    address: Address
    is_referenced: bool
    """Whether the URL is a secret, of which nothing may be shown."""


def literal_addresses(settings: CommonSettings) -> Iterator[Literal]:
    """Every address that something would be sent to, as far as it is known without asking for a name."""
    for key, value in settings:
        for path, one in _urls(key, value) if key in _KEYS else ():
            if isinstance(one, str | Secret) and (address := _address(revealed(one))) is not None:
                yield Literal(path, address, isinstance(one, Secret))


def _urls(key: str, value: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    if isinstance(value, tuple):
        yield from (((key, number), one) for number, one in enumerate(value))
    else:
        yield (key,), value


def _address(url: str) -> Address | None:
    try:
        return address_of(URL(url).raw_host or "")
    except ValueError:
        return None
