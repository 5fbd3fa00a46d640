"""What operators say about any destination that is no HTTP: an address, whom we believe, and how long we wait. Pure."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BeforeValidator, PlainSerializer, PrivateAttr, ValidationInfo, WithJsonSchema, model_validator

from router.by_reference import RelativePath
from router.destinations.settings import CommonSettings
from router.errors import ConfigurationError
from router.fields import Duration
from router.outbound.addresses import address_of
from router.outbound.authorities import client_context
from router.pem import read_authorities

_HIGHEST_PORT = 65535
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class SocketEndpoint:
    """Where a receiver listens; an IPv6 address has no brackets here."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _endpoint(value: object) -> object:
    if isinstance(value, SocketEndpoint):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _HIGHEST_PORT
    try:
        address_of(host)
        is_host = host.startswith("[") or ":" not in host
    except ValueError:
        is_host = False
    if not is_port or not is_host:
        shown = repr(value)[:_SHOWN]
        raise ValueError(f"{shown} is no address; write HOST:PORT, such as siem.example:6514 or [fd00::1]:6514")
    return SocketEndpoint(host.strip("[]"), int(port))


Address = Annotated[
    SocketEndpoint,
    BeforeValidator(_endpoint),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {"title": "address", "type": "string", "pattern": "^.+:[0-9]{1,5}$", "examples": ["siem.example:6514"]}
    ),
]
"""HOST:PORT of a receiver."""


class SocketSettings(CommonSettings):
    """Of destinations that are no HTTP."""

    address: Address
    """HOST:PORT. What it leads to must be public or in `egress.allow`."""
    ca: RelativePath | None = None
    """A PEM file of the only CAs that may vouch for the receiver; the system's where it is absent."""
    timeout: Duration
    """How long one attempt may take."""
    give_up_after: Duration = 86400.0
    """How long after its first attempt an event is set aside that could not be delivered."""
    _authorities: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _reads_authorities(self, info: ValidationInfo) -> Self:
        if self.ca is not None:
            self._authorities = read_authorities(self.ca, info)
        return self

    def tls(self) -> ssl.SSLContext:
        """Whom we believe.

        Raises:
            ConfigurationError: The file of `ca` was not read with a configuration.
        """
        if self.ca is not None and self._authorities is None:
            raise ConfigurationError(f"destination {self.name!r}: the CA file {str(self.ca)!r} was not read")
        return client_context(self._authorities)
