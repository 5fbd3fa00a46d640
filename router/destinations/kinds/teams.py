"""Microsoft Teams: cards by a workflow ("When a Teams webhook request is received"), as the Workflows app offers them.

Sources: Microsoft, "Create incoming webhooks with Workflows" and the deprecation note of connectors (Workflows take
Adaptive Cards; MessageCards and their URLs are retired), "Format cards in Teams" (about 28 KB), "Text features" of
Adaptive Cards (no Markdown in a RichTextBlock). Not confirmed: how many bytes a card has once Teams has written it
anew, so that it is cut at `SIZE_LIMIT` with every character beyond ASCII counted as its escape; how often a flow may be
called; by what a flow answers that is turned off.

Rules:
(1) The URL is a secret: whoever knows it can post. It leads to one flow, and so to one place.
(2) 202 is the receipt, and no other 2xx is. It says that the flow has begun, not that the card is there: what Teams
    refuses later is seen in the runs of the flow alone. So nothing is left to chance here:
(3) one card a request, since flows read the first attachment; a document that is none becomes the text of one; a card
    that is too large has its texts cut, step by step (`_STEPS`), then loses its actions and its last elements, and says
    so; where no element fits, their texts become the card, cut by the same steps: the last of them fits by any
    characters.
(4) What others wrote stands in TextRuns, which read no markup (`router.rendering.markup`, rules 5 and 6).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator
from yarl import URL

from router.by_reference import Secret
from router.destinations.dialect import OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document, text_of
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import HttpSettings, checked_url
from router.rendering.markup import Markup, TextLines, cut_chars, escape
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of
from router.rendering.values import as_json

SIZE_LIMIT = 20_000
"""Bytes of a request."""
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
_RETIRED = ("webhook.office.com", "outlook.office.com", "outlook.office365.com")
"""Hosts of connectors, which took MessageCards."""
_TAKEN = 202
_TEXTS = frozenset({"text", "title", "value", "altText", "fallbackText", "label", "placeholder"})
_STEPS = (2000, 500, 120)
"""Characters of a text that are kept, step by step."""
_SHORT = 500
"""Characters of a text where the whole was too large for the receiver."""
_LEFT_OUT = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "… more than Teams can take"}]}
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}

Card = Mapping[str, object]


class TeamsSettings(HttpSettings):
    """Microsoft Teams, by a workflow (Power Automate)."""

    kind: Literal["teams"]
    """Microsoft Teams, by a workflow."""
    url: Secret
    """The URL of a flow with the trigger "When a Teams webhook request is received", by reference: whoever knows it can
    post. Those of connectors (`*.webhook.office.com`) are retired."""
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    """How many cards may be under way at once; Teams takes about four a second."""

    @model_validator(mode="after")
    def _has_endpoint(self) -> Self:
        if self.url.is_read:
            checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
            host = (URL(self.endpoint).host or "").rstrip(".")
            if any(host == one or host.endswith(f".{one}") for one in _RETIRED):
                raise ValueError(
                    f"destination {self.name!r}: the url is of a connector (MessageCard), which Microsoft has retired; "
                    "make a flow of the Workflows app, 'Post to a channel when a webhook request is received', and "
                    "copy its URL"
                )
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self.url.reveal()


class TeamsDialect(OneRequest):
    """How a workflow wants to be told."""

    def __init__(self, settings: TeamsSettings) -> None:
        """They say nothing that a card would depend on."""

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One card per request, within what Teams takes."""
        return Post(_message(_within(card_of(documents[0].body))), _HEADERS)

    def shorter(self, document: Document) -> Document | None:
        """With short texts; None where there is nothing to cut."""
        whole = _within(card_of(document.body))
        short = _message(_cut(whole, _SHORT))
        return replace(document, body=short) if len(short) < len(_message(whole)) else None

    def judge(self, reply: Reply) -> Outcome:
        """202 is a receipt, and no other 2xx is."""
        outcome = judge_by_status(reply)
        is_other = isinstance(outcome, Delivered) and reply.status != _TAKEN
        return TryAgain("malformed_reply") if is_other else outcome


def card_of(body: bytes) -> Card:
    """The card that a template made, by itself or in a message; where it is none, one with its text."""
    try:
        made = orjson.loads(body)
        _message(made)
    except (ValueError, TypeError):  # no JSON, or nested more deeply than it can be written in a message
        return text_card(text_of(body))
    if isinstance(made, dict) and "attachments" in made:
        match made["attachments"]:
            case [{"content": content}, *_]:
                made = content
    match made:
        case {"type": "AdaptiveCard", "body": list()}:
            return dict(made)
        case {"text": str(text)}:
            return text_card(text)
        case str(text):
            return text_card(text)
        case _:
            return text_card(text_of(body))


def text_card(text: str) -> dict[str, object]:
    """A card of one text, read as no markup."""
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text if text.strip() else "-"}]}],
        "msteams": {"width": "Full"},
    }


def _message(card: Card) -> bytes:
    attachment = {"contentType": CARD_TYPE, "contentUrl": None, "content": card}
    return orjson.dumps({"type": "message", "attachments": [attachment]})


def _within(card: Card) -> Card:
    """The card in the first of its forms that fits."""
    return next(one for one in _smaller(card) if _size(_message(one)) <= SIZE_LIMIT)


def _smaller(card: Card) -> Iterator[Card]:
    """The card in ever smaller forms; the last one always fits."""
    yield card
    for limit in _STEPS:
        yield {**card, **_cut({name: card[name] for name in ("body", "actions") if name in card}, limit)}
    elements = _cut({"body": card["body"]}, _STEPS[-1])["body"]
    bare = text_card("-")
    room = SIZE_LIMIT - _size(_message({**bare, "body": [_LEFT_OUT]}))
    kept = list[object]()
    for element in elements if isinstance(elements, list) else ():
        room -= _size(orjson.dumps(element)) + 1
        if room < 0:
            break
        kept.append(element)
    if kept:
        yield {**bare, "body": [*kept, _LEFT_OUT]}
    for limit in _STEPS:
        yield text_card(cut_chars("\n".join(_texts(elements)), limit))


def _texts(value: object, key: str = "") -> Iterator[str]:
    """What people would read of an element."""
    match value:
        case str() if key in _TEXTS:
            yield value
        case dict():
            for name, item in value.items():
                yield from _texts(item, name)
        case list():
            for item in value:
                yield from _texts(item, key)


def _cut(value: Card, limit: int) -> dict[str, object]:
    return {key: _cut_member(key, item, limit) for key, item in value.items()}


def _cut_member(key: str, item: object, limit: int) -> object:
    match item:
        case str():
            return cut_chars(item, limit) if key in _TEXTS else item
        case dict():
            return _cut(item, limit)
        case list():
            return [_cut_member(key, one, limit) for one in item]
        case _:
            return item


def _size(body: bytes) -> int:
    """Bytes of a document as we write it or as Teams may, whichever are more: what is not printable ASCII as escapes.

    Of a list these are no more than those of its elements together, with a byte for each and the brackets.
    """
    return max(len(body), len(json.dumps(orjson.loads(body), separators=(",", ":"))))


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A card of one text."""
    text = cut_chars(escape(TextLines(f"{message_of(cloudevent)} ({because})"), Markup.ADAPTIVE_CARD), MESSAGE_LIMIT)
    return as_json(text_card(text)), "application/json"


KIND = HttpKind(
    settings=TeamsSettings,
    dialect=TeamsDialect,
    markup=Markup.ADAPTIVE_CARD,
    limits={"bytes of a message": SIZE_LIMIT},
    minimal=minimal,
)
