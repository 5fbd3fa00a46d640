"""Any HTTP endpoint: CloudEvents 1.0, unless a template says otherwise; signed if asked to.

What a template makes goes out as the operator says (`encodings`), by the method, with the media type and read as the
markup that they name. What no template has made is the event itself, whatever they say: a notice, or the minimal
payload where a template fails.

A receipt is any 2xx, or the statuses and the body that an operator names (`success`). Another 2xx is none: the receiver
has said that it is there, not that it has taken anything, and is asked again.

Sources: CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery" (redirects are not followed, 410 retires the endpoint);
for bodies those of `cloudevents`, for ids and signatures those of `standard_webhooks`. The id is sent without a
signature, too: a payload of a template may hold no other by which a receiver could know a repetition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from router.by_reference import Secret
from router.destinations.cloudevents import HEADER, ContentMode, carried
from router.destinations.credentials import CredentialSettings
from router.destinations.dialect import WORTH_ANOTHER_TRY, OneRequest, Post, Reply, is_success, judge_by_status
from router.destinations.document import Document
from router.destinations.encodings import CONTENT_TYPES, Encoding, encoded
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.service_accounts import JwtBearer, ServiceAccountKey
from router.destinations.settings import USUAL_LINGER, checked_base_url, checked_url, revealed
from router.destinations.standard_webhooks import batch_id, seal, signing_key
from router.fields import Name, SettingsModel, Wait
from router.text import shown

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


Scope: TypeAlias = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,200}$")]
"""RFC 6749, clause 3.3."""


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


class WebhookKindSettings(CredentialSettings):
    """Any HTTP endpoint."""

    kind: Literal["webhook"]
    """Any HTTP endpoint."""
    url: str | Secret
    """Where events are posted; a reference if it is a secret."""
    credentials: ServiceAccountKey | None = None
    """The key of a service account, by reference, for which access tokens are granted (RFC 7523), as Google's services
    want them; instead of `bearer` or `username`. With `scopes`."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=20)] | None = None
    """With `credentials`: what the tokens are for, such as `https://www.googleapis.com/auth/chat.bot`."""
    signing_secret: Secret | Annotated[tuple[Secret, ...], Field(min_length=1, max_length=2)] | None = None
    """Sign every request as Standard Webhooks says; `whsec_` and the base64 of 24 to 64 bytes. A list of two, the new
    one and the old one, signs by both while one takes the other's place."""
    cloudevents: ContentMode | None = None
    """How an event is sent that no template has made anything of: `structured`, all of it in the body; `binary`, its
    data in the body and its attributes in headers (`ce-id`, `ce-type`, ...); `batch`, several in one array, with a
    `batch_size` of more than 1. Where nothing is said `batch` with such a size, or else `structured`. Only without a
    template."""
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
        _ = self.signing_keys
        return self

    @model_validator(mode="after")
    def _is_granted_tokens(self) -> Self:
        if (self.credentials is None) != (self.scopes is None):
            raise ValueError("`credentials` and `scopes` go together")
        if (grant := self.grant) is not None:
            try:
                checked_base_url(grant.url, plain_http=self.plain_http, name=self.name)
            except ValueError as error:
                raise ValueError(f"`credentials`: the `token_uri`: {error}") from error
        return self

    @property
    def ways(self) -> Sequence[str]:
        """Tokens that are granted are another one."""
        return [*super().ways, *(["`credentials`"] if self.credentials is not None else [])]

    @property
    def grant(self) -> JwtBearer | None:
        """What access tokens are granted for; None where none are wanted, or nothing was read."""
        account = None if self.credentials is None else self.credentials.account
        return None if account is None else JwtBearer(account, self.scopes or ())

    @model_validator(mode="after")
    def _carries_events(self) -> Self:
        if self.cloudevents is not None and self.template is not None:
            raise ValueError("`cloudevents` is for events that no template makes something of; drop it, or `template`")
        if self.cloudevents is not None and (self.cloudevents == "batch") != (self.batch_size > 1):
            raise ValueError("`cloudevents: batch` and a `batch_size` of more than 1 go together; say both, or neither")
        for name in self.headers:
            if self.cloudevents == "binary" and name.lower().startswith(HEADER):
                raise ValueError(
                    f"`headers`: {name!r} is set by Gatecrier, of the event (`cloudevents: binary`); drop it"
                )
        return self

    @property
    def signing_keys(self) -> Sequence[bytes]:
        """By which every request is signed; raises ValueError where one is none."""
        secret = self.signing_secret
        secrets = () if secret is None else (secret,) if isinstance(secret, Secret) else secret
        return [signing_key(one.reveal()) for one in secrets if one.is_read]

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

    def __init__(self, settings: WebhookKindSettings) -> None:
        usual: ContentMode = "batch" if settings.template is None and settings.batch_size > 1 else "structured"
        self._mode = settings.cloudevents or usual
        self._encoding: Encoding = settings.encoding
        self._content_type = settings.content_type or CONTENT_TYPES[settings.encoding]
        self._method = settings.method
        self._success = settings.success
        self.receipt_bytes = 0 if settings.success is None or settings.success.body is None else RECEIPT_BYTES
        self._keys = settings.signing_keys
        self._authorization = settings.authorization

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """One document, or a batch of them."""
        ids = [one.event_id for one in documents]
        event_id = ids[0] if len(ids) == 1 else batch_id(ids)
        body, said, encoding = self._body(documents)
        headers = {**said, "webhook-id": event_id, **self._authorization}
        return Post(body, headers, verb=self._method, encoding=encoding, seal=seal(self._keys, event_id, int(now)))

    def _body(self, documents: Sequence[Document]) -> tuple[bytes, Mapping[str, str], Encoding]:
        """With what headers say of it, and its encoding."""
        if all(one.is_event for one in documents) and (self._mode == "batch" or len(documents) == 1):
            return *carried([one.body for one in documents], self._mode), "json"
        return encoded(documents, self._encoding), {"Content-Type": self._content_type}, self._encoding

    def judge(self, reply: Reply) -> Outcome:
        """A receipt is what the operator says."""
        outcome = judge_by_status(reply)
        if self._success is None:
            return outcome
        if self._success.is_met(reply.status, reply.text):
            return Delivered()
        return TryAgain("malformed_reply") if isinstance(outcome, Delivered) else outcome


KIND = HttpKind(
    settings=WebhookKindSettings,
    dialect=WebhookDialect,
    has_templates=False,
    credentials=lambda settings: settings.grant,
    deduplicates="`webhook-id`, by whoever receives it",
)
