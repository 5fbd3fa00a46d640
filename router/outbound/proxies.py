"""A proxy, and which one a request takes where the environment says it: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

Rules, as Go's `httpproxy` has them, because that is what container runtimes in the same cluster go by:

1. A variable counts in lower case before upper case; `HTTPS_PROXY` is for https targets, `HTTP_PROXY` for http ones,
   `ALL_PROXY` for what has none of its own.
2. `localhost` and loopback addresses never take a proxy.
3. NO_PROXY is a list with commas: `*`; an address or CIDR network for literal targets; `example.com` for the name
   and all below it; `.example.com` for those below it only; each with `:PORT` where only that port is meant.

The environment is read once. aiohttp's own `trust_env` is not used: it reads the environment and the user's
`.netrc` anew for each request, and would send credentials from there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from yarl import URL

from router.errors import ConfigurationError
from router.outbound.basic import basic_authorization
from router.outbound.urls import read_url, sound_url

_REMEMBERED = 1024
_INTRODUCTION = "Proxy-Authorization"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect instead, and how to introduce oneself there."""

    url: URL
    authorization: str | None = field(repr=False)

    @classmethod
    def of(cls, url: URL) -> Self:
        """The proxy of a URL, with or without credentials; raises ValueError where it is no http or https one."""
        sound_url(url, with_credentials=True)
        return cls(url.origin(), basic_authorization(url.user, url.password or "") if url.user else None)

    def introduction(self) -> dict[str, str] | None:
        """The headers that the proxy alone is sent, with CONNECT."""
        return {_INTRODUCTION: self.authorization} if self.authorization is not None else None

    def headers_for(self, target: URL) -> dict[str, str]:
        """The headers that a request has more on its way through: with http the proxy reads the request itself."""
        return (self.introduction() or {}) if target.scheme == "http" else {}


class Proxies:
    """The environment's word about proxies, by target."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read the variables; raises ConfigurationError where one is no http or https URL."""
        everything = _variable(environment, "all_proxy")
        self._by_scheme = {
            scheme: _proxy(name, value)
            for scheme in ("http", "https")
            for name in (f"{scheme}_proxy",)
            if (value := _variable(environment, name) or everything)
        }
        self._exempt = [part.strip().lower() for part in _variable(environment, "no_proxy").split(",") if part.strip()]
        self._remembered: dict[tuple[str, str | None, int | None], Proxy | None] = {}

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def of(self, url: URL) -> Proxy | None:
        """The proxy for this target, or None where it is connected to directly."""
        if not self._by_scheme:
            return None
        key = (url.scheme, url.raw_host, url.port)
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            direct = url.raw_host is None or _is_exempt(url.raw_host.lower(), url.port, self._exempt)
            self._remembered[key] = None if direct else self._by_scheme.get(url.scheme)
        return self._remembered[key]


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.upper()) or "").strip()


def _proxy(name: str, value: str) -> Proxy:
    advice = "write http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ where it wants one"
    try:
        return Proxy.of(read_url(value if "://" in value else f"http://{value}"))
    except ValueError:  # whose text may repeat a password
        raise ConfigurationError(
            f"the environment variable {name.upper()} names no http or https proxy; {advice}"
        ) from None


def _is_exempt(host: str, port: int | None, exempt: list[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or any(_names(entry, host, port) for entry in exempt)
    return address.is_loopback or any(_holds(entry, address, port) for entry in exempt)


def _names(entry: str, host: str, port: int | None) -> bool:
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal():
        if wanted != str(port):
            return False
        entry = name
    entry = entry.removeprefix("*") if entry.startswith("*.") else entry
    if entry == "*":
        return True
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith(f".{entry}")


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None) -> bool:
    if entry == "*":
        return True
    for text, counts in ((entry, True), (entry.rpartition(":")[0], entry.rpartition(":")[2] == str(port))):
        try:
            if counts and address in ipaddress.ip_network(text.strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False
