"""What operators say about any destination, and about any that is told over HTTP."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, model_validator

from router.fields import Duration, Name, RelativePath, Secret, SettingsModel, read_reference

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,4096}", re.ASCII)
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "content-encoding"})
URL_LIMIT = 4096


def checked_url(url: str, *, plain_http: bool, name: str) -> str:
    """The URL if events may be sent there.

    Raises:
        ValueError: It is none; the text never shows more of it than scheme and host, for the rest may be a secret.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"destination {name!r}: the url can't be read ({error}); write https://HOST/PATH") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(url) > URL_LIMIT or port == 0:
        raise ValueError(f"destination {name!r}: the url is no https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.fragment or not url.isascii() or re.search(r"[\x00-\x20]", url):
        raise ValueError(f"destination {name!r}: a url has no user, no fragment, no blanks, and is ASCII")
    if parts.scheme == "http" and not plain_http:
        raise ValueError(
            f"destination {name!r}: the url is http, which anybody on the way can read; "
            "write https, or say `plain_http: true`"
        )
    return url


class ClientCertificate(SettingsModel):
    """Who we are to a receiver that asks for it."""

    certificate: RelativePath
    """The chain as PEM, leaf first."""
    key: RelativePath
    """The unencrypted private key of the leaf."""


class CommonSettings(SettingsModel):
    """Of every destination."""

    name: Name
    """What routes, metrics and `deliveries` call it."""
    template: Name | None = None
    """Name of the template that makes its payloads; the kind's own where it is absent."""
    must_deliver: bool = False
    """Whether an admission in enforce mode waits for its receipt, within the deadline, and is refused without one."""


class HttpSettings(CommonSettings):
    """Of destinations over HTTP."""

    plain_http: bool = False
    """Allow a URL without TLS."""
    timeout: Duration = 10.0
    """How long one attempt may take."""
    give_up_after: Duration = 86400.0
    """How long after its first attempt an event is set aside that could not be delivered."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 16
    """How many attempts may be under way at once; as many may be repeated after a crash."""
    ca: RelativePath | None = None
    """A PEM file of the only CAs that may vouch for the receiver; the system's where it is absent."""
    client_certificate: ClientCertificate | None = None
    """A certificate that we show."""
    proxy: Secret | None = None
    """URL of an HTTP proxy, by reference, since it may hold a password."""

    @model_validator(mode="after")
    def _reads_authorities(self, info: ValidationInfo) -> Self:
        if self.ca is not None:
            content = read_reference(self.ca, info, "the CA file")
            if content is not None and b"-----BEGIN CERTIFICATE-----" not in content:
                raise ValueError(f"the CA file {str(self.ca)!r} holds no PEM certificate")
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL: a secret, for services whose URL is one."""
        raise NotImplementedError


def revealed(value: str | Secret | None) -> str:
    """A text that may stand as it is or by reference; empty without a reading context."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value.reveal()


def checked_headers(headers: dict[str, str | Secret]) -> dict[str, str | Secret]:
    """Headers that can be sent as they are, raises ValueError otherwise."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no name of a header")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name!r} is set by Gatecrier")
        if not _HEADER_VALUE.fullmatch(revealed(value)):
            raise ValueError(f"the value of the header {name!r} has characters that headers can't have")
    return headers
