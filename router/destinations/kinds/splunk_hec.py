"""Splunk's HTTP Event Collector (HEC): events as JSON objects, one after the other in a request.

Sources: Splunk, "Format events for HTTP Event Collector" (members of an event; `time` in seconds since 1970; objects
concatenated, no array), "About HTTP Event Collector Indexer Acknowledgment" (channel, `ackId`, `/ack`; Splunk
Enterprise alone), and for the codes of replies a published lookup of them. Not confirmed: codes above 22, and how large
a request may be. Splunk knows no repetition: what was sent again is there twice.

Rules:
(1) What a template makes is a whole event of HEC, if it has `event` and nothing that HEC does not know, and is else
    what stands beneath `event`. Index, source, sourcetype and host that an operator names stand over what it says.
(2) What HEC would refuse for ever is mended, for it would be a lost alert: a blank event gets a text, a time that is
    none and a field that is not flat are left out.
(3) 200 says that events look valid. With `acknowledge` it is no receipt: it comes with an id, and the receipt is what
    `/ack` says about that id later. Until then an event is `PendingReceipt`: it holds no slot and asks when it is due,
    together with what else is due. An answer counts for all events of its request. What was not acknowledged in time
    is a failure, and is sent again; so is what was open when the router ended, for ids are kept in memory.
(4) Ids belong to a channel; ours follows from URL and name, so that it is the same after a restart.
(5) An index that is not there and a channel that is refused (codes 7, 10, 11, 14) are 400, and yet no event's fault:
    the destination pauses.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.dialect import Exchange, OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document, said_by, text_of
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, EachOutcome, Outcome, PendingReceipt, TryAgain, Undeliverable
from router.destinations.settings import BatchSettings, checked_token, checked_url
from router.events import INCIDENT_TYPES, NOTICE_TYPE
from router.fields import Duration
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, cluster_of, message_of, milliseconds_of, severity_of
from router.rendering.values import as_json

PATH = "/services/collector"
MEMBERS = frozenset({"time", "host", "source", "sourcetype", "index", "event", "fields"})
UNSAID = "Gatecrier"
"""What stands for a blank event."""
POLL = 5.0
"""Seconds between two questions for an acknowledgement."""
OPEN_LIMIT = 100_000
"""Events that are remembered as not acknowledged; those beyond it are sent again."""
REPLY_BYTES = 64 * 1024
_REFUSES_US = frozenset({7, 10, 11, 14})
Text = Annotated[str, Field(min_length=1, max_length=200)]


class SplunkHecSettings(BatchSettings):
    """Splunk, by the HTTP Event Collector."""

    own_headers = frozenset({"authorization", "x-splunk-request-channel"})
    kind: Literal["splunk_hec"]
    """Splunk, by the HTTP Event Collector."""
    url: str
    """Where the collector is, such as `https://splunk.example:8088`: `/services/collector/event` is added."""
    token: Secret
    """The collector's token."""
    index: Text | None = None
    """The index; the token's own where it is absent."""
    source: Text = "gatecrier"
    """Splunk's `source`."""
    sourcetype: Text | None = None
    """Splunk's `sourcetype`; where it is absent `gatecrier:admission`, for incidents `gatecrier:incident`, and for what
    is told of Gatecrier itself `gatecrier:notice`."""
    host: Text | None = None
    """Splunk's `host`; the cluster where it is absent."""
    acknowledge: bool = False
    """Wait until Splunk says that it has indexed an event; the token must have indexer acknowledgement (`useACK`)."""
    acknowledge_timeout: Duration = 120.0
    """How long to wait for that, from acceptance; then the event is sent again."""

    compression: Literal["none", "gzip"] = "gzip"
    """How the body of a request is compressed; limits count what it is before."""

    @model_validator(mode="after")
    def _has_endpoint(self) -> Self:
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        checked_token(self.token.reveal())
        if self.acknowledge and self.must_deliver:
            raise ValueError(
                "an acknowledgement comes later than an admission can wait for; drop `acknowledge` or `must_deliver`"
            )
        if not self.acknowledge and "acknowledge_timeout" in self.model_fields_set:
            raise ValueError("`acknowledge_timeout` is for `acknowledge: true`; say that, or drop it")
        return self

    @property
    def endpoint(self) -> str:
        """The URL that the collector's own paths begin with."""
        return self.url.rstrip("/").removesuffix("/event").removesuffix(PATH) + PATH


@dataclass(slots=True)
class _Request:
    """A request that Splunk has accepted, and not acknowledged."""

    ack: int
    at: float
    is_indexed: bool = False


class SplunkHecDialect(OneRequest):
    """How the HTTP Event Collector wants to be told."""

    def __init__(self, settings: SplunkHecSettings) -> None:
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Splunk {settings.token.reveal()}",
        }
        named = {"index": settings.index, "sourcetype": settings.sourcetype, "host": settings.host}
        if "source" in settings.model_fields_set:
            named["source"] = settings.source
        self._named = {name: text for name, text in named.items() if text is not None}
        self._source = settings.source
        self._patience = settings.acknowledge_timeout if settings.acknowledge else None
        self._open: dict[str, _Request] = {}
        if settings.acknowledge:
            self.receipt_bytes = REPLY_BYTES
            channel = uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.endpoint}#{settings.name}")
            self._headers["X-Splunk-Request-Channel"] = str(channel)

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - events have their own
        """Events, one after the other."""
        return Post(b"\n".join(self._event(one) for one in documents), self._headers, "event")

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """What is open is asked for, and the rest is sent."""
        if self._patience is None:
            return super().exchange(documents, now)
        return self._acknowledged(documents, now, self._patience)

    def judge(self, reply: Reply) -> Outcome:
        """By the status, but for codes that speak of us (rule 5)."""
        outcome = judge_by_status(reply)
        if isinstance(outcome, Undeliverable):
            code = _member(reply.text, "code")
            if isinstance(code, int) and code in _REFUSES_US:
                return TryAgain("refused_here", pauses=True)
        return outcome

    def _event(self, document: Document) -> bytes:
        found = {
            "source": self._source,
            "sourcetype": _sourcetype(document.type),
            **mended(document.body),
            **self._named,
        }
        try:
            return orjson.dumps(found)
        except (TypeError, RecursionError):  # nested more deeply than it can be written again
            return orjson.dumps({**found, "event": text_of(document.body)})

    def _acknowledged(self, documents: Sequence[Document], now: float, patience: float) -> Exchange:
        requests = {one.event_id: self._open[one.event_id] for one in documents if one.event_id in self._open}
        if asked := sorted({one.ack for one in requests.values() if not one.is_indexed}):
            reply = yield Post(orjson.dumps({"acks": asked}), self._headers, "ack")
            if (failure := self._noted(reply, requests.values())) is not None:
                return failure
        fates = {event_id: self._fate(event_id, one, now, patience) for event_id, one in requests.items()}
        fresh = [one for one in documents if one.event_id not in requests]
        if fresh:
            answer = yield from self._sent(fresh, now)
            if not fates:
                return answer
            if isinstance(answer, Undeliverable) and len(fresh) > 1:
                answer = replace(answer, is_of_form=True)  # so that each is tried alone
            fates |= {one.event_id: answer for one in fresh}
        return EachOutcome(tuple(fates[one.event_id] for one in documents))

    def _noted(self, reply: Reply, requests: Iterable[_Request]) -> Outcome | None:
        """Note what has been indexed; the failure where that could not be learned."""
        outcome = self.judge(reply)
        if isinstance(outcome, Undeliverable):
            return TryAgain(outcome.reason)  # of the question, not of the events
        if not isinstance(outcome, Delivered):
            return outcome
        if not isinstance(told := _member(reply.text, "acks"), dict):
            return TryAgain("malformed_reply")
        for one in requests:
            one.is_indexed = one.is_indexed or told.get(str(one.ack)) is True
        return None

    def _fate(self, event_id: str, request: _Request, now: float, patience: float) -> Outcome:
        if request.is_indexed:
            self._open.pop(event_id, None)
            return Delivered()
        if now - request.at < patience:
            return PendingReceipt(min(POLL, patience))
        self._open.pop(event_id, None)
        return TryAgain("unacknowledged")

    def _sent(self, documents: Sequence[Document], now: float) -> Generator[Post, Reply, Outcome]:
        reply = yield self.compose(documents, now)
        if not isinstance(outcome := self.judge(reply), Delivered):
            return outcome
        match _member(reply.text, "ackId"):
            case int(ack):
                request = _Request(ack, now)
            case _:  # taken, and the token has no acknowledgement
                return TryAgain("refused_here", pauses=True)
        self._open |= {one.event_id: request for one in documents}
        while len(self._open) > OPEN_LIMIT:
            self._open.pop(next(iter(self._open)))
        return PendingReceipt(POLL)


def mended(body: bytes) -> dict[str, object]:
    """The event of HEC that a template made, or that carries what it made, so that Splunk takes it."""
    made = said_by(body)
    event = made if isinstance(made, dict) and "event" in made and made.keys() <= MEMBERS else {"event": made}
    told = event["event"]
    kept = {name: one for name, one in event.items() if _is_sound(name, one)}
    if not isinstance(told, dict | str):
        kept["event"] = UNSAID if told is None else text_of(body)
    elif not told or (isinstance(told, str) and not told.strip()):
        kept["event"] = UNSAID
    if isinstance(fields := event.get("fields"), dict):
        kept["fields"] = {name: one for name, one in fields.items() if _is_flat(one)}
    return kept


def _is_sound(name: str, value: object) -> bool:
    match name:
        case "event":
            return True
        case "fields":
            return isinstance(value, dict)
        case "time":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str) and bool(value)


def _is_flat(value: object) -> bool:
    ones = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float) for one in ones)


def _sourcetype(event_type: str) -> str:
    if event_type == NOTICE_TYPE:
        return "gatecrier:notice"
    return "gatecrier:incident" if event_type.startswith(INCIDENT_TYPES) else "gatecrier:admission"


def _member(text: str, name: str) -> object:
    """A member of a reply; None where it has none."""
    try:
        made = orjson.loads(text)
    except ValueError:
        return None
    return made.get(name) if isinstance(made, dict) else None


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """An event with the sentence."""
    at = milliseconds_of(cloudevent)
    event = {
        "message": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
        "severity": severity_of(cloudevent),
        "id": str(cloudevent.get("id", "")),
        "type": str(cloudevent.get("type", "")),
        "shortened": str(because),
    }
    when = {} if at is None else {"time": at / 1000}
    return as_json({**when, "host": cluster_of(cloudevent), "event": event}), "application/json"


KIND = HttpKind(settings=SplunkHecSettings, dialect=SplunkHecDialect, minimal=minimal)
