"""Any HTTP endpoint: CloudEvents 1.0 in structured mode, unless a template says otherwise; signed if asked to.

Sources: CloudEvents, "HTTP Protocol Binding", clauses 3.2 (structured) and 3.3 (batched); "HTTP 1.1 Web Hooks for
Event Delivery" (redirects are not followed, 410 retires the endpoint); Standard Webhooks, "Webhook signatures":
`webhook-id` is the event's and the same on every attempt, `webhook-timestamp` is the attempt's, and the signature
covers `ID.TIMESTAMP.BODY` byte for byte. The id is sent without a signature, too: a payload of a template may hold no
other by which a receiver could know a repetition.

A batch is recognised by all its events: under the id of its first one, a receiver that has seen that one in another
batch would take the rest for a repetition, acknowledge it and drop it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.dialect import OneRequest, Post
from router.destinations.document import Document
from router.destinations.kind import HttpKind
from router.destinations.settings import USUAL_LINGER, Headers, HttpSettings, checked_url, revealed
from router.fields import Name, Wait

STRUCTURED = "application/cloudevents+json; charset=UTF-8"
BATCHED = "application/cloudevents-batch+json; charset=UTF-8"
PREFIX = "whsec_"
LEAST_KEY, LARGEST_KEY = 24, 64
"""Bytes of a signing key (Standard Webhooks, "Signature scheme")."""


def signing_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret, `whsec_` and base64.

    Raises:
        ValueError: It is none; the text does not show it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the signing secret is not valid base64 (Standard Webhooks: whsec_BASE64)") from error
    if not LEAST_KEY <= len(key) <= LARGEST_KEY:
        raise ValueError(
            f"the signing secret has {len(key)} bytes; Standard Webhooks wants {LEAST_KEY} to {LARGEST_KEY}"
        )
    return key


def signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    mac = hmac.digest(key, b"%b.%d.%b" % (event_id.encode(), timestamp, body), hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()


def batch_id(event_ids: Sequence[str]) -> str:
    """The id of a batch: another for every other composition."""
    return "batch-" + hashlib.sha256("\n".join(event_ids).encode()).hexdigest()[:32]


class WebhookSettings(HttpSettings):
    """Any HTTP endpoint."""

    kind: Literal["webhook"]
    """Any HTTP endpoint."""
    url: str | Secret
    """Where events are posted; a reference if it is a secret."""
    signing_secret: Secret | None = None
    """Sign every request as Standard Webhooks says; `whsec_` and the base64 of 24 to 64 bytes."""
    headers: Headers = Field(default_factory=dict)
    """Headers that are sent besides; a value may be a reference."""
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many events one request may carry, as a CloudEvents batch; only without a template."""
    linger: Wait | None = None
    """How long events wait for others, until `batch_size` are there: 200ms where nothing is said."""
    fallback_template: Name | None = None
    """Name of the template that makes the payload where `template` fails: a small one that the receiver takes. Without
    it a CloudEvent goes out."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.batch_size > 1 and self.template is not None:
            raise ValueError("`batch_size` goes with CloudEvents only; drop it or `template`")
        if self.linger and (self.batch_size == 1 or self.must_deliver):
            raise ValueError("`linger` goes with a `batch_size` of more than 1, and not with `must_deliver`; drop it")
        if self.fallback_template is not None and self.template is None:
            raise ValueError("`fallback_template` is for where `template` fails; name one, or drop it")
        if self.compression != "none" and self.signing_secret is not None:
            raise ValueError("a signature is over the bytes that are sent; drop `compression` or `signing_secret`")
        if isinstance(self.url, str) or self.url.is_read:
            checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        if self.signing_secret is not None and self.signing_secret.is_read:
            signing_key(self.signing_secret.reveal())
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return revealed(self.url)

    @property
    def fallback(self) -> str | None:
        """Name of the template that makes its payloads where the other fails."""
        return self.fallback_template

    @property
    def note(self) -> tuple[str, str] | None:
        """Where it has a template and would get a CloudEvent where that fails."""
        if self.template is None or self.fallback_template is not None:
            return None
        text = "where this template fails a CloudEvent goes out; if the receiver takes none, add fallback_template"
        return "template", text

    @property
    def most_documents(self) -> int:
        """As many as an operator says."""
        return self.batch_size

    @property
    def lingers(self) -> float:
        """As long as an operator says, but where an admission waits."""
        usual = 0.0 if self.must_deliver or self.batch_size == 1 else USUAL_LINGER
        return usual if self.linger is None else self.linger


class WebhookDialect(OneRequest):
    """How a generic endpoint is told."""

    def __init__(self, settings: WebhookSettings) -> None:
        is_event = settings.template is None
        self._is_batch = is_event and settings.batch_size > 1
        kind = BATCHED if self._is_batch else STRUCTURED if is_event else "application/json"
        extra = {name: revealed(value) for name, value in settings.headers.items()}
        self._headers = extra | {"Content-Type": kind}
        self._of_event = extra | {"Content-Type": STRUCTURED}
        self._key = None if settings.signing_secret is None else signing_key(settings.signing_secret.reveal())

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """One event, or a batch of them."""
        body, event_id = documents[0].body, documents[0].event_id
        headers = self._of_event if not self._is_batch and documents[0].is_event else self._headers
        if self._is_batch:
            body = b"[%b]" % b",".join(one.body for one in documents)
            event_id = event_id if len(documents) == 1 else batch_id([one.event_id for one in documents])
        if self._key is None:
            return Post(body, {**headers, "webhook-id": event_id})
        timestamp = int(now)
        signed = {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, event_id, timestamp, body),
        }
        return Post(body, headers | signed)


KIND = HttpKind(
    settings=WebhookSettings,
    dialect=WebhookDialect,
    has_templates=False,
    deduplicates="`webhook-id`, by whoever receives it",
)
