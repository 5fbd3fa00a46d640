"""Any HTTP endpoint: CloudEvents 1.0 in structured mode, unless a template says otherwise; signed if asked to.

What a template makes goes out as the operator says (`encodings`), by the method, with the media type and read as the
markup that they name. What no template has made is the event itself, whatever they say: a notice, or the minimal
payload where a template fails.

A receipt is any 2xx, or the statuses and the body that an operator names (`success`). Another 2xx is none: the receiver
has said that it is there, not that it has taken anything, and is asked again.

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
import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from router.by_reference import Secret
from router.destinations.dialect import WORTH_ANOTHER_TRY, OneRequest, Post, Reply, Seal, is_success, judge_by_status
from router.destinations.document import Document
from router.destinations.encodings import CONTENT_TYPES, Encoding, encoded
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import USUAL_LINGER, HttpSettings, checked_url, revealed
from router.fields import Name, SettingsModel, Wait
from router.text import shown

STRUCTURED = "application/cloudevents+json; charset=UTF-8"
BATCHED = "application/cloudevents-batch+json; charset=UTF-8"
PREFIX = "whsec_"
LEAST_KEY, LARGEST_KEY = 24, 64
"""Bytes of a signing key (Standard Webhooks, "Signature scheme")."""


RECEIPT_BYTES = 1024
"""Of a body that makes a receipt, as much is read; the one that is named is shorter by far."""
_WORD = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,80}"
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}( *; *{_WORD}=({_WORD}|"[ !#-\[\]-~]*"))*', re.ASCII)
"""RFC 9110, clause 8.3.1."""
_NO_RECEIPTS = frozenset({401, 403, 407, *WORTH_ANOTHER_TRY})
MarkupName: TypeAlias = Literal[
    "none",
    "slack",
    "markdown",
    "adaptive_card",
    "google_chat",
    "discord",
    "html",
    "cef",
    "leef",
    "syslog",
]
"""Of `Markup`, what an operator may name."""


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


def _media_type(written: str) -> str:
    if _MEDIA_TYPE.fullmatch(written) is None:
        raise ValueError(
            f"{shown(written, 80)} is not a valid media type; write one such as application/json or "
            "text/plain; charset=utf-8"
        )
    return written


def _can_be_receipt(status: int) -> int:
    if status in _NO_RECEIPTS:
        raise ValueError(
            f"{status} says that the receiver refuses us or is in trouble, and the event would be lost; name others"
        )
    return status


class Success(SettingsModel):
    """What a receipt is."""

    status: Annotated[
        tuple[Annotated[int, Field(ge=200, le=499), AfterValidator(_can_be_receipt)], ...],
        Field(min_length=1, max_length=50),
    ] = ()
    """Statuses that are receipts; every 2xx where none is named."""
    body: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What the body must be, but for white space around it; anything where it is absent."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.status and self.body is None:
            raise ValueError("name `status`, `body` or both, such as {status: [200, 202]} or {body: ok}")
        return self

    def is_met(self, status: int, text: str) -> bool:
        """Whether such an answer is a receipt."""
        is_status = status in self.status if self.status else is_success(status)
        return is_status and (self.body is None or text.strip() == self.body.strip())


class WebhookSettings(HttpSettings):
    """Any HTTP endpoint."""

    kind: Literal["webhook"]
    """Any HTTP endpoint."""
    url: str | Secret
    """Where events are posted; a reference if it is a secret."""
    signing_secret: Secret | None = None
    """Sign every request as Standard Webhooks says; `whsec_` and the base64 of 24 to 64 bytes."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """The method of requests."""
    encoding: Encoding = "json"
    """How what a template makes is sent: `json`; `ndjson`, a line for each document or item of an array; `form`, a
    field for each member; `text`, a text without its quotes. Only with a template."""
    content_type: Annotated[str, Field(max_length=200), AfterValidator(_media_type)] | None = None
    """The media type of what a template makes; that of `encoding` where it is absent. Only with a template."""
    success: Success | None = None
    """What a receipt is; any 2xx where it is absent."""
    markup: MarkupName = "none"
    """How the receiver reads texts, so that nothing that others wrote is read as markup. Only with a template."""
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many events one request may carry: as a CloudEvents batch, or with a template as lines
    (`encoding: ndjson`)."""
    linger: Wait | None = None
    """How long events wait for others, until `batch_size` are there: 200ms where nothing is said."""
    fallback_template: Name | None = None
    """Name of the template that makes the payload where `template` fails: a small one that the receiver takes. Without
    it a CloudEvent goes out."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.batch_size > 1 and self.encoding != "ndjson" and (self.template is not None or self.encoding != "json"):
            raise ValueError("`batch_size` is for CloudEvents and for lines; drop it, or say `encoding: ndjson`")
        if self.linger and (self.batch_size == 1 or self.must_deliver):
            raise ValueError("`linger` goes with a `batch_size` of more than 1, and not with `must_deliver`; drop it")
        if self.template is self.incident_template is None:
            for key in sorted({"encoding", "content_type", "markup"} & self.model_fields_set):
                raise ValueError(f"`{key}` is for what a template makes; name one (`template: NAME`), or drop it")
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
    def reads(self) -> str | None:
        """Its markup."""
        return self.markup

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
        self._batches_events = settings.template is None and settings.batch_size > 1
        self._encoding: Encoding = settings.encoding
        self._content_type = settings.content_type or CONTENT_TYPES[settings.encoding]
        self._method = settings.method
        self._success = settings.success
        self.receipt_bytes = 0 if settings.success is None or settings.success.body is None else RECEIPT_BYTES
        self._key = None if settings.signing_secret is None else signing_key(settings.signing_secret.reveal())

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """One document, or a batch of them."""
        ids = [one.event_id for one in documents]
        event_id = ids[0] if len(ids) == 1 else batch_id(ids)
        body, content_type, encoding = self._body(documents)
        headers = {"Content-Type": content_type, "webhook-id": event_id}
        return Post(body, headers, verb=self._method, encoding=encoding, seal=self._seal(event_id, int(now)))

    def _body(self, documents: Sequence[Document]) -> tuple[bytes, str, Encoding]:
        """With its media type and encoding."""
        are_events = all(one.is_event for one in documents)
        if are_events and self._batches_events:
            return b"[%b]" % b",".join(one.body for one in documents), BATCHED, "json"
        if are_events and len(documents) == 1:
            return documents[0].body, STRUCTURED, "json"
        return encoded(documents, self._encoding), self._content_type, self._encoding

    def _seal(self, event_id: str, timestamp: int) -> Seal | None:
        if (key := self._key) is None:
            return None
        return lambda body: {
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(key, event_id, timestamp, body),
        }

    def judge(self, reply: Reply) -> Outcome:
        """A receipt is what the operator says."""
        outcome = judge_by_status(reply)
        if self._success is None:
            return outcome
        if self._success.is_met(reply.status, reply.text):
            return Delivered()
        return TryAgain("malformed_reply") if isinstance(outcome, Delivered) else outcome


KIND = HttpKind(
    settings=WebhookSettings,
    dialect=WebhookDialect,
    has_templates=False,
    deduplicates="`webhook-id`, by whoever receives it",
)
