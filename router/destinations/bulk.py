"""The bulk interface that Elasticsearch and OpenSearch have in common, into a data stream. Pure.

Sources: Elastic, "Bulk API" (NDJSON that ends with a newline; a status for each item; `filter_path`), "Data streams"
(only `create`; every document has `@timestamp`); OpenSearch, "Bulk". Limits of a request are the cluster's own
(`http.max_content_length`).

Rules:
(1) A document is created under the event's id, so that a repetition is refused as one (409), which is a receipt: the
    document is there. That holds within the backing index that the stream writes to; after a rollover a repetition is
    a second document.
(2) Each item of the answer is the outcome of its document. 400 refuses the form (a field that the mapping has with
    another type): alone it goes out as the minimal payload, which has few fields.
(3) A document without a time gets the time of the attempt; what is no object becomes the message of one.
(4) Of the answer only statuses and causes are asked for, so that all of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from router.destinations.dialect import Exchange, Post, Reply, judge_by_status
from router.destinations.document import Document, object_in, text_of
from router.destinations.outcome import AttemptOutcome, Delivered, EachOutcome, Outcome, TryAgain, Undeliverable
from router.destinations.settings import BatchSettings, checked_base_url
from router.fields import Size
from router.rendering.filters import map_severity
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, cluster_of, message_of, severity_of
from router.rendering.values import as_json

FORMAT = "ecs"
DEDUPLICATES = "`_id`, until the next rollover"
ECS_VERSION = "9.4.0"
REPLY_BYTES = 2**20
_BAD_REQUEST, _ALREADY_THERE = 400, 409
_WANTED = "errors,items.*.status,items.*.error.type,items.*.error.reason,error.type,error.reason,status"
Base = Annotated[str, Field(min_length=1)]


class BulkSettings(BatchSettings):
    """Of destinations that take documents in bulk."""

    own_headers = frozenset({"authorization"})
    url: Base | Annotated[list[Base], Field(min_length=1, max_length=20)]
    """Where the cluster is, such as `https://es.example:9200`; or a list, tried in turn."""
    data_stream: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,254}$")] = "logs-gatecrier.admission-default"
    """The data stream that documents are created in."""
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 500
    """How many documents one request may carry."""
    batch_bytes: Annotated[Size, Field(le=64 * 2**20)] = 5 * 2**20
    """How many bytes of documents one request may carry; one that is larger alone goes alone."""

    compression: Literal["none", "gzip"] = "gzip"
    """How the body of a request is compressed; limits count what it is before."""

    @model_validator(mode="after")
    def _has_endpoints(self) -> Self:
        for url in self.endpoints:
            checked_base_url(url, plain_http=self.plain_http, name=self.name)
        return self

    @property
    def endpoint(self) -> str:
        """The first URL."""
        return self.endpoints[0]

    @property
    def endpoints(self) -> Sequence[str]:
        """Every URL."""
        return [self.url] if isinstance(self.url, str) else self.url


class BulkDialect:
    """How documents are created in bulk.

    Args:
        data_stream: Where.
        authorization: The value of the header.
        pipeline: The ingest pipeline that they pass, or empty.
    """

    receipt_bytes = REPLY_BYTES

    def __init__(self, data_stream: str, authorization: str, pipeline: str = "") -> None:
        self._method = f"{data_stream}/_bulk"
        self._headers = {"Content-Type": "application/x-ndjson"}
        if authorization:
            self._headers["Authorization"] = authorization
        self._query = {"filter_path": _WANTED} | ({"pipeline": pipeline} if pipeline else {})

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """One request, with an outcome for each document."""
        body = b"".join(line for one in documents for line in _lines(one, now))
        return judge((yield Post(body, self._headers, self._method, self._query)), len(documents))

    def shorter(self, document: Document) -> Document | None:  # noqa: ARG002 - there is none, whatever it is
        """None: the minimal payload is what is shorter."""
        return None


def judge(reply: Reply, count: int) -> AttemptOutcome:
    """What an answer to so many documents means."""
    if not isinstance(outcome := judge_by_status(reply), Delivered):
        return outcome
    try:
        items = orjson.loads(reply.text)["items"]
        outcomes = tuple(_of_item(item["create"], reply.now) for item in items)
    except (ValueError, TypeError, KeyError):
        return TryAgain("malformed_reply")
    return EachOutcome(outcomes) if len(outcomes) == count else TryAgain("malformed_reply")


def _of_item(item: Mapping[str, Any], now: float) -> Outcome:
    """What became of one document; raises KeyError and TypeError where the item does not say."""
    status = item["status"]
    if not isinstance(status, int):
        raise TypeError("a status is a number")
    if status == _ALREADY_THERE:
        return Delivered()
    outcome = judge_by_status(Reply(status, "", None, now))
    if isinstance(outcome, Undeliverable):
        outcome = replace(outcome, is_of_form=outcome.is_of_form or status == _BAD_REQUEST)
    if isinstance(outcome, TryAgain | Undeliverable):
        return replace(outcome, words=_words_of(item.get("error")))
    return outcome


def _words_of(cause: object) -> str:
    if isinstance(cause, dict):
        return f"{cause.get('type', '')}: {cause.get('reason', '')}"
    return cause if isinstance(cause, str) else ""


def _lines(document: Document, now: float) -> Iterator[bytes]:
    yield orjson.dumps({"create": {"_id": document.event_id}}) + b"\n"
    made = mended(document.body, now)
    try:
        yield orjson.dumps(made) + b"\n"
    except (TypeError, RecursionError):  # nested more deeply than it can be written again
        yield orjson.dumps(_with_text(document.body, now)) + b"\n"


def mended(body: bytes, now: float) -> dict[str, object]:
    """The document that a template made, so that a data stream takes it."""
    if (made := object_in(body)) is None:
        return _with_text(body, now)
    return made if isinstance(made.get("@timestamp"), str | int) else {**made, "@timestamp": _at(now)}


def _with_text(body: bytes, now: float) -> dict[str, object]:
    return {"@timestamp": _at(now), "message": text_of(body)}


def _at(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A document with the sentence, of ECS fields whose types nobody disputes."""
    when = cloudevent.get("time")
    document = {
        **({"@timestamp": when} if isinstance(when, str) else {}),
        "message": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
        "ecs": {"version": ECS_VERSION},
        "tags": ["image-signature", "template-failed" if because is Because.TEMPLATE_FAILED else "shortened"],
        "event": {
            "id": str(cloudevent.get("id", "")),
            "module": "gatecrier",
            "severity": map_severity(severity_of(cloudevent), "cef"),
        },
        "orchestrator": {"type": "kubernetes", "cluster": {"name": cluster_of(cloudevent)}},
    }
    return as_json(document), "application/json"
