"""What operators say about any destination, and about any that is told over HTTP."""

from __future__ import annotations

import re
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, model_validator
from yarl import URL

from router.by_reference import RelativePath, Secret
from router.destinations.headers import Headers
from router.destinations.to_come import named_to_come
from router.errors import ConfigurationError
from router.fields import Duration, Name, RateSetting, Size, Wait
from router.outbound.proxies import Proxy
from router.outbound.urls import read_url, sound_url
from router.pem import PairSettings, read_authorities
from router.rendering.secret_places import MOST
from router.routing.settings import ReceiverSettings
from router.text import shown

_TOKEN = re.compile(r"[\x21-\x7e]*", re.ASCII)
_SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)
URL_LIMIT = 4096
USUAL_LINGER = 0.2
"""Seconds."""


def checked_base_url(url: str, *, plain_http: bool, name: str) -> str:
    """The URL if a service is there, to which its kind adds path and query; raises as `checked_url`."""
    checked_url(url, plain_http=plain_http, name=name)
    if "?" in url:
        raise ValueError(f"destination {name!r}: the url has a query; write https://HOST[:PORT]")
    return url


def checked_url(url: str, *, plain_http: bool, name: str) -> str:
    """The URL if events may be sent there.

    Raises:
        ValueError: It is none; the text never shows more of it than scheme and host, for the rest may be a secret.
    """
    try:
        target = read_url(url)
        is_bare = (target.raw_user, target.raw_password, target.raw_fragment) == (None, None, "")
    except ValueError:
        # What was found wrong is not repeated: it may be a part of the secret.
        raise ValueError(f"destination {name!r}: the url can't be read; write https://HOST[:PORT]/PATH") from None
    if not is_bare or not _VISIBLE.fullmatch(url):
        raise ValueError(f"destination {name!r}: a url has no user, no fragment, no blanks, and is ASCII")
    try:
        sound_url(target)
    except ValueError as error:  # which speaks of the host alone
        raise ValueError(f"destination {name!r}: the url is not https://HOST[:PORT]/PATH: {error}") from error
    if len(url) > URL_LIMIT:
        raise ValueError(f"destination {name!r}: the url is not https://HOST[:PORT]/PATH of {URL_LIMIT} characters")
    if target.scheme == "http" and not plain_http:
        raise ValueError(
            f"destination {name!r}: the url is http, which anybody on the way can read; "
            "write https, or say `plain_http: true`"
        )
    return url


def checked_token(token: str) -> None:
    """Raise ValueError where a token can't be sent in `Authorization: Bearer` (RFC 6750, clause 2.1)."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token has blanks or characters outside ASCII, which no header can carry; copy it anew")


def _check_proxy(url: str, *, is_literal: bool) -> None:
    try:
        target = read_url(url)
        Proxy.of(target)
        is_sound = target.raw_path_qs in {"", "/"} and not target.raw_fragment
    except ValueError:
        is_sound = False
    if not is_sound or not _VISIBLE.fullmatch(url) or len(url) > URL_LIMIT:
        raise ValueError("the proxy is not http://HOST:PORT")
    if is_literal and (target.raw_user is not None or target.raw_password is not None):
        raise ValueError("a proxy with user and password is a secret: a reference, {file: PATH} or {env: NAME}")


def _secret_name(name: str) -> str:
    if _SECRET_NAME.fullmatch(name) is None:
        raise ValueError(
            f"{shown(name, 80)} is not a valid name of a secret; write small letters, digits and _, such as api_key"
        )
    return name


SecretName: TypeAlias = Annotated[str, AfterValidator(_secret_name)]
"""As a template can write it."""


def revealed(value: str | Secret | None) -> str:
    """A text that may stand as it is or by reference; empty without a reading context."""
    if value is None:
        return ""
    return value if isinstance(value, str) else value.reveal()


class ClientCertificate(PairSettings):
    """Who we are to a receiver that asks for it."""


class CommonSettings(ReceiverSettings):
    """Of every destination."""

    kind: str
    """What receives: each kind says its own name here."""
    template: Name | None = None
    """Name of the template that makes its payloads; the kind's own where it is absent."""
    incident_template: Name | None = None
    """Name of the template of messages about incidents; KIND-incident where it is absent."""
    rate: RateSetting | None = None
    """At most so many requests in a time, such as `20/1m`. In the events lane the rest waits; in the incidents lane it
    becomes one summary, shared fairly between namespaces, but for what is critical or must be heard."""

    @classmethod
    def kinds_to_come(cls) -> Mapping[str, str]:
        """Services that are told by other means meanwhile."""
        return named_to_come()

    def bind(self, forget_after: float) -> None:
        """Be told after how many seconds an incident is over of which nothing is heard; most kinds need not know."""

    secrets: Annotated[dict[SecretName, Secret], Field(max_length=MOST)] = {}  # noqa: RUF012 - pydantic copies it
    """Secrets by name, of which a template has the places: `{{ destination.secrets.NAME }}`. They are filled in when a
    document is sent, and stand nowhere else."""

    @property
    def reads(self) -> str | None:
        """The markup that whoever receives reads, where that is the operator's to say; None: what the kind says."""
        return None

    @property
    def fallback(self) -> str | None:
        """Name of the template that makes its payloads where the other fails; None where there is none."""
        return None

    @property
    def resends(self) -> float | None:
        """Seconds after which a service that keeps nothing is told once more of what goes on; None for most."""
        return None

    @property
    def written(self) -> tuple[str, Path] | None:
        """The key that names a file on this machine which is written to, and the file; None where none is."""
        return None

    @property
    def note(self) -> tuple[str, str] | None:
        """The key that may not be meant so, and why, for whoever checks the configuration."""
        return None


class HttpSettings(CommonSettings):
    """Of destinations over HTTP."""

    plain_http: bool = False
    """Allow a URL without TLS."""
    timeout: Duration = 10.0
    """How long one attempt may take. It is one request, or a few: smaller ones where the receiver refuses the form, two
    where a message in Slack is changed and answered, one for each replica of Alertmanager, up to five
    of a ticket in Jira."""
    give_up_after: Duration = 86400.0
    """How long after its first attempt an event is set aside that could not be delivered."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 16
    """How many attempts may be under way at once; as many may be repeated after a crash."""
    ca: RelativePath | None = None
    """A PEM file of the only CAs that may vouch for the receiver; the system's where it is absent."""
    client_certificate: ClientCertificate | None = None
    """A certificate that we show."""
    proxy: str | Secret | None = None
    """URL of an HTTP proxy, `http://HOST:PORT`; a reference if it holds a password. Its address, too, must be public or
    in `egress.allow`. Variables of the environment such as HTTPS_PROXY do not count."""
    headers: Headers = Field(default_factory=dict)
    """Headers that are sent besides those of the kind; a value may be a reference."""
    compression: Literal["none", "gzip"] = "none"
    """How the body of a request is compressed; `gzip` for a receiver that takes it (`Content-Encoding`)."""
    own_headers: ClassVar[frozenset[str]] = frozenset()
    """Headers that the kind itself sets, in small letters."""
    _authorities: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _adds_headers(self) -> Self:
        for name in self.headers:
            if name.lower() in self.own_headers:
                raise ValueError(f"`headers`: {name!r} is set by Gatecrier for this kind; drop it")
        return self

    @model_validator(mode="after")
    def _has_proxy(self) -> Self:
        if isinstance(self.proxy, str):
            _check_proxy(self.proxy, is_literal=True)
        elif self.proxy is not None and self.proxy.is_read:
            _check_proxy(self.proxy.reveal(), is_literal=False)
        return self

    @model_validator(mode="after")
    def _reads_authorities(self, info: ValidationInfo) -> Self:
        if self.ca is not None:
            self._authorities = read_authorities(self.ca, info)
        return self

    def way(self) -> Proxy | None:
        """The proxy that is taken; None where the receiver is connected to directly."""
        return None if self.proxy is None else Proxy.of(URL(revealed(self.proxy)))

    @property
    def authorities(self) -> str | None:
        """The PEM of `ca`, or None where the system's CAs are meant.

        Raises:
            ConfigurationError: The file was not read with a configuration.
        """
        if self.ca is not None and self._authorities is None:
            raise ConfigurationError(f"destination {self.name!r}: the CA file {str(self.ca)!r} was not read")
        return self._authorities

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The whole URL: a secret, for services whose URL is one."""

    @property
    def endpoints(self) -> Sequence[str]:
        """Every URL that leads to the service; where one fails the next is tried."""
        return (self.endpoint,)

    @property
    def most_documents(self) -> int:
        """How many documents one request may carry."""
        return 1

    @property
    def most_bytes(self) -> int:
        """How many bytes of documents one request may carry, where it carries more than one."""
        return sys.maxsize

    @property
    def lingers(self) -> float:
        """Seconds that an incomplete batch waits for more."""
        return 0.0


class BatchSettings(HttpSettings):
    """Of destinations over HTTP that take several documents in one request."""

    batch_size: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many events one request may carry; as many may be repeated after a crash."""
    batch_bytes: Annotated[Size, Field(le=64 * 2**20)] = 2**20
    """How many bytes of events one request may carry; one that is larger alone goes alone."""
    linger: Wait = USUAL_LINGER
    """How long events wait for others, until as many are there as one request may carry; `0ms` where an admission waits
    for the receipt (`must_deliver`)."""

    @model_validator(mode="after")
    def _keeps_no_admission_waiting(self) -> Self:
        if self.must_deliver and self.linger and "linger" in self.model_fields_set:
            raise ValueError("an admission would wait as long as `linger` says; drop it, or drop `must_deliver`")
        return self

    @property
    def most_documents(self) -> int:
        """As many as an operator says."""
        return self.batch_size

    @property
    def most_bytes(self) -> int:
        """As many as an operator says."""
        return self.batch_bytes

    @property
    def lingers(self) -> float:
        """As long as an operator says, but where an admission waits."""
        return 0.0 if self.must_deliver or self.batch_size == 1 else self.linger
