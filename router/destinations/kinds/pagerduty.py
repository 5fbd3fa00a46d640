"""PagerDuty: alerts by the Events API v2; one alert for each incident, resolved when it is over.

Sources: PagerDuty, "Events API v2": "Overview" (202 is a receipt; 400 refuses the event; 429 and 5xx are worth another
try), "Send an alert event" (fields and limits), "Send a change event" (no notification, no key to know it by), "Rate
limits" (about 120 events a minute and key; an event that was
refused so was not taken). Not confirmed: the host of the EU region, whether 512 KB are 512,000 bytes, whether
`Retry-After` is ever sent, and by what a refused key differs from a refused event, so that both are set aside.

Rules:
(1) The key stands in the body. It is added here, over whatever a template says of it: no template sees it.
(2) Every event has a `dedup_key`, or each repetition would be an alert of its own. Where a template gives none it is
    the event's id, the same on every attempt. One that is too long is made short by its digest, and stays one of a
    kind.
(3) What PagerDuty would refuse for ever is mended, for it would be a lost alert: an unknown action is `trigger`, an
    unknown severity is mapped from ours, a missing summary or source is filled in, details that are no object become
    one, what has another type than PagerDuty wants is left out, a document that is no event becomes the summary of one.
    Summaries are of one line.
(4) What was admitted, with nothing to say against it, is no alert. The action `change`, which is ours, says so: it is
    not sent (`admitted: skip`), or is a change event.
(5) What is too large is shrunk in steps (`_STEPS`), in the end to what PagerDuty cannot do without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.dialect import Exchange, OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document, text_of
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import HttpSettings, checked_url
from router.events import BEGAN, ENDED
from router.rendering.filters import SEVERITIES, map_severity
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of, severity_of
from router.rendering.values import as_json

PATH, CHANGE_PATH = "/v2/enqueue", "/v2/change/enqueue"
REGIONS = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
KEY_LENGTH, SUMMARY_LIMIT, DEDUP_LIMIT, TEXT_LIMIT = 32, 1024, 255, 1024
"""Characters; the last is ours, for `source` and what stands beside it."""
SIZE_LIMIT = 512_000
"""Bytes of a request."""
CHANGE = "change"
"""The action of what is no alert; PagerDuty knows it by its own path."""
ACTIONS = frozenset({"trigger", "acknowledge", "resolve", CHANGE})
LEVELS = frozenset(SEVERITIES["pagerduty"].values())
UNSAID = "Gatecrier"
"""What stands for a missing summary or source."""
_TAKEN = 202
_OVER = frozenset({"resolved", "expired"})
_STEPS = ((4000, 200), (500, 20))
"""Characters of a text and members of a list that are kept, step by step, until the whole fits."""
_NEEDED = ("summary", "source", "severity", "timestamp")
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("client", "client_url", "timestamp", "component", "group", "class"), str),
    **dict.fromkeys(("links", "images"), list),
}
"""What a member must be where it is there."""
_OF_CHANGES = ("summary", "source", "timestamp", "custom_details")
_HEADERS = {"Content-Type": "application/json"}


class PagerdutySettings(HttpSettings):
    """PagerDuty, by the Events API v2."""

    kind: Literal["pagerduty"]
    """PagerDuty, by the Events API v2."""
    routing_key: Secret
    """The integration key of a service (32 characters), by reference."""
    region: Literal["us", "eu"] = "us"
    """Where the account lives; or give `url`."""
    url: str | None = None
    """Where the Events API is instead, such as a proxy of one's own: `/v2/enqueue` and
    `/v2/change/enqueue` are added."""
    admitted: Literal["skip", "change"] = "skip"
    """In the events lane, what becomes of a decision that admitted and has nothing to say against it: nothing is sent,
    or a change event, which notifies nobody."""
    concurrency: Annotated[int, Field(ge=1, le=16)] = 1
    """How many events may be under way at once; those of one incident are one after the other, however many."""

    @model_validator(mode="after")
    def _has_endpoint_and_key(self) -> Self:
        if self.url is not None and "region" in self.model_fields_set:
            raise ValueError("name `region` or `url`, not both")
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        key = self.routing_key.reveal() if self.routing_key.is_read else "0" * KEY_LENGTH
        if len(key) != KEY_LENGTH or not (key.isascii() and key.isalnum()):
            raise ValueError(
                f"the routing key has {len(key)} characters; an integration key of PagerDuty has {KEY_LENGTH} letters "
                "and digits; copy it anew"
            )
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self._base + PATH

    @property
    def change_endpoint(self) -> str | None:
        """The whole URL of change events; None where there are none."""
        return self._base + CHANGE_PATH if self.admitted == CHANGE else None

    @property
    def _base(self) -> str:
        return (self.url or REGIONS[self.region]).removesuffix(PATH).rstrip("/")


class PagerdutyDialect(OneRequest):
    """How PagerDuty wants to be told."""

    def __init__(self, settings: PagerdutySettings) -> None:
        self._key = settings.routing_key.reveal()
        self._change_endpoint = settings.change_endpoint

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """One request, or none."""
        if self._change_endpoint is None and mended(documents[0])["event_action"] == CHANGE:
            return Delivered()
        return (yield from super().exchange(documents, now))

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One event per request, with the key, within PagerDuty's limits."""
        event = {**mended(documents[0]), "routing_key": self._key}
        is_change = event["event_action"] == CHANGE
        body = next(body for body in _smaller(_change(event) if is_change else event) if len(body) <= SIZE_LIMIT)
        return Post(body, _HEADERS, url=(self._change_endpoint or "") if is_change else "")

    def shorter(self, document: Document) -> Document | None:
        """What PagerDuty cannot do without; None where there is no more in it."""
        bodies = [*_smaller(mended(document))]
        return replace(document, body=bodies[-1], value=None) if len(bodies[-1]) < len(bodies[0]) else None

    def judge(self, reply: Reply) -> Outcome:
        """202 is a receipt, and no other 2xx is."""
        outcome = judge_by_status(reply)
        is_other = isinstance(outcome, Delivered) and reply.status != _TAKEN
        return TryAgain("malformed_reply") if is_other else outcome


def mended(document: Document) -> dict[str, object]:
    """The event that a template made, so that PagerDuty takes it; without the key, and however large."""
    event = _event(document)
    action, payload = event.get("event_action"), event.pop("payload", None)
    kept: dict[str, object] = {
        **_of_their_types(event),
        "event_action": action if isinstance(action, str) and action in ACTIONS else "trigger",
        "dedup_key": _dedup_key(event.get("dedup_key"), document.event_id),
    }
    if isinstance(payload, dict):
        kept["payload"] = _payload(payload)
    return kept


def _change(event: Mapping[str, object]) -> dict[str, object]:
    payload = event.get("payload")
    told = payload if isinstance(payload, dict) else {}
    kept = {name: told[name] for name in _OF_CHANGES if name in told}
    return {**{name: event[name] for name in ("routing_key", "links") if name in event}, "payload": kept}


def _event(document: Document) -> dict[str, object]:
    """What the document is; where it can be no event, one with its text."""
    try:
        made = document.parsed()
    except ValueError:
        made = text_of(document.body)
    if isinstance(made, dict):
        needs_payload = made.get("event_action") not in ("acknowledge", "resolve")
        if isinstance(made.get("payload"), dict) or not needs_payload:
            return dict(made)
    text = made if isinstance(made, str) else text_of(document.body)
    return {"payload": {"summary": text}}


def _dedup_key(given: object, event_id: str) -> str:
    text = given if isinstance(given, str) and given.strip() else event_id
    if len(text) <= DEDUP_LIMIT:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
    return f"{text[: DEDUP_LIMIT - len(digest) - 1]}-{digest}"


def _payload(payload: Mapping[str, object]) -> dict[str, object]:
    severity, details = payload.get("severity"), payload.get("custom_details")
    is_level = isinstance(severity, str) and severity in LEVELS
    kept = {
        **_of_their_types(payload),
        "summary": _text(payload.get("summary"), SUMMARY_LIMIT),
        "source": _text(payload.get("source"), TEXT_LIMIT),
        "severity": severity if is_level else map_severity(severity if isinstance(severity, str) else "", "pagerduty"),
    }
    return kept if details is None or isinstance(details, dict) else {**kept, "custom_details": {"details": details}}


def _of_their_types(members: Mapping[str, object]) -> dict[str, object]:
    return {name: one for name, one in members.items() if isinstance(one, _TYPES.get(name, object))}


def _text(value: object, limit: int) -> str:
    """On one line, and not empty."""
    line = " ".join(value.split()) if isinstance(value, str) else ""
    return cut_chars(line, limit) if line else UNSAID


def _smaller(event: Mapping[str, object]) -> Iterator[bytes]:
    """The event, encoded in ever smaller forms; the last one always fits."""
    bare = _bare(event)
    for step in (None, *_STEPS):
        try:
            yield orjson.dumps(event if step is None else _merged(_shrunk(event, *step), bare))
        except (TypeError, RecursionError):  # nested more deeply than it can be written again
            continue
    yield orjson.dumps(bare)


def _merged(value: object, more: Mapping[str, object]) -> dict[str, object]:
    """A mapping with more members, and so within it."""
    kept: dict[str, object] = dict(value) if isinstance(value, dict) else {}
    return kept | {name: _merged(kept.get(name), one) if isinstance(one, dict) else one for name, one in more.items()}


def _shrunk(value: object, characters: int, members: int) -> object:
    match value:
        case str():
            return cut_chars(value, characters)
        case dict():
            return {key: _shrunk(one, characters, members) for key, one in list(value.items())[:members]}
        case list():
            return [_shrunk(one, characters, members) for one in value[:members]]
        case _:
            return value


def _bare(event: Mapping[str, object]) -> dict[str, object]:
    """What PagerDuty cannot do without."""
    kept = {name: event[name] for name in ("routing_key", "event_action", "dedup_key") if name in event}
    payload = event.get("payload")
    if isinstance(payload, dict):
        texts = {name: payload[name] for name in _NEEDED if isinstance(payload.get(name), str)}
        kept["payload"] = {name: cut_chars(text, TEXT_LIMIT) for name, text in texts.items()}
    return kept


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """An event with the sentence, of the same alert as the one that a template would have made."""
    data = cloudevent.get("data") or {}
    incident, notice = data.get("incident") or {}, data.get("notice") or {}
    is_over = incident.get("state") in _OVER or notice.get("event_type") == ENDED
    decision = {"would_reject": False, **(data.get("decision") or {})}
    is_info = decision.get("outcome") == "admitted" and decision.get("severity") == "info"
    is_plain = is_info and not decision["would_reject"] and not data.get("corrects")
    is_trouble = notice.get("event_type") in {BEGAN, ENDED}
    of_trouble = f"{cloudevent.get('source')}/{cloudevent.get('subject')}" if is_trouble else ""
    event = {
        "event_action": "resolve" if is_over else CHANGE if is_plain else "trigger",
        "dedup_key": incident.get("id") or of_trouble or data.get("corrects") or cloudevent.get("id") or "",
        "payload": {
            "summary": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
            "source": data.get("cluster") or incident.get("cluster") or UNSAID,
            "severity": map_severity(severity_of(cloudevent), "pagerduty"),
            "custom_details": {"shortened": str(because)},
        },
    }
    return as_json(event), "application/json"


def ending(document: Document) -> Document | None:
    """Resolves the alert."""
    event = mended(document)
    if event["event_action"] != "trigger":
        return None
    body = orjson.dumps({"event_action": "resolve", "dedup_key": event["dedup_key"]})
    return replace(document, body=body, value=None, minimal=None)


KIND = HttpKind(
    settings=PagerdutySettings,
    dialect=PagerdutyDialect,
    deduplicates="`dedup_key`: the same alert",
    updates="the same alert; resolved when it is over",
    limits={
        "bytes of an event": SIZE_LIMIT,
        "characters of a summary": SUMMARY_LIMIT,
        "characters of another text": TEXT_LIMIT,
    },
    minimal=minimal,
    ending=ending,
)
