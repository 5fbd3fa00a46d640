"""Where a registry answers, and with what it is met there: address, TLS, credentials.

Rules:

1. A registry that the configuration does not name is spoken to by https, with the system's CAs, anonymously.
2. `docker.io` answers at `registry-1.docker.io`.
3. With `ca`, only those CAs may vouch for the registry itself. Where it sends us elsewhere (a token service, a
   storage behind a redirect) the system's CAs count, too: what comes from there is either proven by its digest or
   asked for without the registry's own authority.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from router.errors import ConfigurationError, UnreachableError
from router.hosts import HUB
from router.outbound.authorities import client_context
from router.outbound.sessions import context_of
from router.outbound.urls import read_url, sound_url
from router.registry.credentials import HUB_API, Credentials
from router.registry.settings import RegistrySettings
from router.text import shown

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class RegistryEndpoint:
    """One registry, ready to be asked."""

    registry: str
    """As images name it."""
    origin: URL
    host: str
    base: str
    """What every path of the distribution API is appended to: `https://HOST/v2/`."""
    plain_http: bool
    tls: ssl.SSLContext | bool
    """Whom we trust there; True: the system's CAs, in aiohttp's own context, which all share."""
    tls_elsewhere: ssl.SSLContext | bool
    """The same for every other host that it sends us to."""
    credentials: Credentials
    is_named: bool
    """The configuration has an entry for it."""

    def tls_for(self, url: URL) -> ssl.SSLContext | bool:
        """The context for a request to `url` on behalf of this registry (rule 3)."""
        return self.tls if url.raw_host == self.host else self.tls_elsewhere


class Endpoints:
    """The endpoint of every registry, by its name in images."""

    def __init__(self, settings: Sequence[RegistrySettings]) -> None:
        """Take the configured registries; raises ConfigurationError where one stands twice or a file fails."""
        self._named: dict[str, RegistrySettings] = {}
        for one in settings:
            if one.host in self._named:
                raise ConfigurationError(f"registries: {shown(one.host)} stands there twice; join the two entries")
            self._named[one.host] = one
        self._known = {host: self._endpoint(host) for host in self._named}
        self._others: dict[str, RegistryEndpoint] = {}

    def of(self, registry: str) -> RegistryEndpoint:
        """The endpoint of a registry; raises UnreachableError where its name can't be an address."""
        found = self._known.get(registry) or self._others.get(registry)
        if found is not None:
            return found
        key = registry.lower()
        if key in self._known:
            return self._known[key]
        if len(self._others) >= _REMEMBERED:  # whoever deploys chooses names: forget rather than grow
            self._others.clear()
        self._others[registry] = found = self._endpoint(key)
        return found

    def _endpoint(self, host: str) -> RegistryEndpoint:
        named = self._named.get(host)
        is_plain = named is not None and named.plain_http
        try:
            where = host.removesuffix(":443") if is_plain else host  # names have it for want of a port (images, b)
            text = f"{'http' if is_plain else 'https'}://{HUB_API if host == HUB else where}"
            origin = sound_url(read_url(text)).origin()
            base = f"{origin}/v2/"
            address = sound_url(read_url(base, is_encoded=True)).raw_host or ""  # as every request reads it
        except ValueError as error:
            raise UnreachableError(f"registry {host[:300]}: no address that can be connected to") from error
        pem = named.authorities() if named is not None else None
        return RegistryEndpoint(
            registry=host,
            origin=origin,
            host=address,
            base=base,
            plain_http=is_plain,
            tls=context_of(pem, None),
            tls_elsewhere=True if pem is None else client_context(pem, with_system=True),
            credentials=named.known_credentials() if named is not None else Credentials(),
            is_named=named is not None,
        )
