"""OTLP: log records of OpenTelemetry over HTTP, as JSON.

Sources: OpenTelemetry Protocol 1.11, "OTLP/HTTP" (200 is a receipt unless `partialSuccess` has rejected records; 429,
502, 503 and 504 alone may be sent again), "JSON Protobuf Encoding" (lowerCamelCase, 64-bit integers as texts,
enumerations as numbers); "Logs Data Model" (severity numbers). OTLP knows no repetition: what was sent again is there
twice.

Rules:
(1) What a template makes is a `ResourceLogs`; anything else becomes the text of a record. Attributes of the resource
    that an operator names stand over its own, and `service.name` is `gatecrier` where nobody says otherwise.
(2) What must not be sent again is set aside at once, with all that was in its request: a status of trouble other than
    those above, and a reply of success that has rejected records, for it does not say which. Only what refuses the
    request for what stands in it (400, 413) is tried in parts: those are other requests.
(3) Statuses that speak of the address or of our credentials are not about the records: they are treated as for every
    service (`router.destinations.dialect`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator
from yarl import URL

from router.destinations.dialect import TOO_LARGE, Exchange, OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document, object_in, text_of
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, EachOutcome, Outcome, TryAgain, Undeliverable
from router.destinations.settings import BatchSettings, checked_url
from router.rendering.filters import map_severity
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, cluster_of, message_of, milliseconds_of, severity_of
from router.rendering.values import as_json

AGAIN = frozenset({429, 502, 503, 504})
REPLY_BYTES = 64 * 1024
_OF_WHAT_IS_SENT = frozenset({400, TOO_LARGE})
SERVICE = "service.name"
Name = Annotated[str, Field(min_length=1, max_length=200)]


class OtlpSettings(BatchSettings):
    """OpenTelemetry's collector and what speaks its protocol, by OTLP over HTTP (JSON)."""

    kind: Literal["otlp"]
    """OpenTelemetry's collector and what speaks its protocol, by OTLP over HTTP (JSON)."""
    url: str
    """The whole endpoint, such as `https://otel.example:4318/v1/logs`."""
    resource: Annotated[dict[Name, Name], Field(max_length=50)] = Field(default_factory=dict)
    """Attributes of the resource, beside `service.name` and `k8s.cluster.name`."""

    compression: Literal["none", "gzip"] = "gzip"
    """How the body of a request is compressed; limits count what it is before."""

    @model_validator(mode="after")
    def _has_endpoint(self) -> Self:
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self.url

    @property
    def note(self) -> tuple[str, str] | None:
        """Where it is a host alone, as SDKs want it, which add the path."""
        if URL(self.url).path not in {"", "/"}:
            return None
        return "url", "this is the whole endpoint, to which nothing is added; collectors take logs at /v1/logs"


class OtlpDialect(OneRequest):
    """How a collector wants to be told."""

    receipt_bytes = REPLY_BYTES
    worth_another_try = AGAIN

    def __init__(self, settings: OtlpSettings) -> None:
        self._headers = {"Content-Type": "application/json"}
        self._resource = settings.resource

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - records have their own
        """One request for all."""
        logs = b",".join(self._logs(one.body) for one in documents)
        return Post(b'{"resourceLogs":[%b]}' % logs, self._headers)

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """One request; what must not be sent again is so for each document, and no batch is tried in parts."""
        reply = yield self.compose(documents, now)
        outcome = self.judge(reply)
        is_final = isinstance(outcome, Undeliverable) and reply.status not in _OF_WHAT_IS_SENT
        return EachOutcome((outcome,) * len(documents)) if is_final and len(documents) > 1 else outcome

    def judge(self, reply: Reply) -> Outcome:
        """By the status; and in a reply of success, by what was rejected."""
        outcome = judge_by_status(reply, self.worth_another_try)
        if not isinstance(outcome, Delivered) or not reply.text.strip():
            return outcome
        try:
            partial = orjson.loads(reply.text).get("partialSuccess") or {}
            rejected = int(partial.get("rejectedLogRecords") or 0)
        except (ValueError, TypeError, AttributeError):
            return TryAgain("malformed_reply")
        return Undeliverable("message_refused") if rejected else outcome

    def _logs(self, body: bytes) -> bytes:
        made = mended(body)
        attributes = _with(made["resource"]["attributes"], self._resource)
        try:
            return orjson.dumps({**made, "resource": {**made["resource"], "attributes": attributes}})
        except (TypeError, RecursionError):  # nested more deeply than it can be written again
            return orjson.dumps(_logs_of(_record(text_of(body)), attributes))


def mended(body: bytes) -> dict[str, Any]:
    """The `ResourceLogs` that a template made, or that carries what it made, with a list of attributes."""
    made = object_in(body)
    if made is None or not isinstance(made.get("scopeLogs"), list):
        return _logs_of(_record(text_of(body)), [])
    resource = made.get("resource")
    resource = resource if isinstance(resource, dict) else {}
    attributes = resource.get("attributes")
    return {**made, "resource": {**resource, "attributes": attributes if isinstance(attributes, list) else []}}


def _with(attributes: Sequence[Any], named: Mapping[str, str]) -> list[Any]:
    """Attributes, and over them those that are named."""
    kept = [one for one in attributes if isinstance(one, dict) and one.get("key") not in named]
    has_service = any(one.get("key") == SERVICE for one in kept)
    more = named if has_service else {SERVICE: "gatecrier", **named}
    return [*kept, *(attribute(name, value) for name, value in more.items())]


def attribute(key: str, value: str) -> dict[str, object]:
    """A text with its name, as OTLP writes it."""
    return {"key": key, "value": {"stringValue": value}}


def _record(text: str) -> dict[str, object]:
    return {"body": {"stringValue": text}}


def _logs_of(record: Mapping[str, object], attributes: Sequence[object]) -> dict[str, Any]:
    return {
        "resource": {"attributes": list(attributes)},
        "scopeLogs": [{"scope": {"name": "gatecrier"}, "logRecords": [dict(record)]}],
    }


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A record with the sentence."""
    at, severity = milliseconds_of(cloudevent), severity_of(cloudevent)
    record = {
        **({} if at is None else {"timeUnixNano": str(at * 1_000_000)}),
        "severityNumber": map_severity(severity, "otlp"),
        "severityText": severity or "",
        "eventName": str(cloudevent.get("type", "")),
        **_record(cut_chars(message_of(cloudevent), MESSAGE_LIMIT)),
        "attributes": [
            attribute("gatecrier.event.id", str(cloudevent.get("id", ""))),
            attribute("gatecrier.shortened", str(because)),
        ],
    }
    return as_json(_logs_of(record, [attribute("k8s.cluster.name", cluster_of(cloudevent))])), "application/json"


KIND = HttpKind(settings=OtlpSettings, dialect=OtlpDialect, minimal=minimal)
