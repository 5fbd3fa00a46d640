"""Slack's incoming webhooks: what they take, and what their answers mean.

Sources: Slack, "Sending messages using incoming webhooks" (success is 200 and the body `ok`), "Changes to errors for
incoming webhooks" (every 4xx but 429 is for good), "Rate limits" (about one message a second), Block Kit reference
(limits). An undocumented total of about 13,200 characters over all blocks gives `msg_blocks_too_long`.

Whatever template made a message, it is cut to those limits here: a 4xx for ever would be a lost alert. Texts are cut
after they were escaped, and never inside an entity such as `&amp;`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import orjson
from pydantic import Field, ValidationInfo, model_validator

from router.destinations.dialect import Post, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.destinations.settings import HttpSettings, checked_url
from router.fields import Secret, reading_context

TEXT_LIMIT, SECTION_LIMIT, FIELD_LIMIT, HEADER_LIMIT = 40_000, 3000, 2000, 150
BLOCKS_LIMIT, FIELDS_LIMIT, ELEMENTS_LIMIT, TOTAL_LIMIT = 50, 10, 10, 13_000
"""Characters and counts, from Block Kit."""
_LONGEST_ENTITY = len("&quot;")
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class SlackSettings(HttpSettings):
    """Slack, by an incoming webhook."""

    kind: Literal["slack"]
    """Slack, by an incoming webhook."""
    url: Secret
    """The webhook's URL, by reference: whoever knows it can post."""
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    """How many messages may be under way at once; Slack takes about one a second."""

    @model_validator(mode="after")
    def _has_endpoint(self, info: ValidationInfo) -> Self:
        if reading_context(info) is not None:
            checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self.url.reveal()


class SlackDialect:
    """How Slack wants to be told."""

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One message per request, within Slack's limits."""
        body = documents[0].body
        try:
            message = orjson.loads(body)
        except orjson.JSONDecodeError:
            message = body.decode(errors="replace")
        return Post(orjson.dumps(within_limits(message)), _HEADERS)

    def judge(self, reply: Reply) -> Outcome:
        """200 means accepted only with `ok`; every 4xx but 408, 425 and 429 is for good."""
        outcome = judge_by_status(reply)
        match outcome:
            case Delivered() if reply.text.strip() != "ok":
                return TryAgain("malformed_reply")
            case TryAgain(pauses=True):
                return Undeliverable(f"http_{reply.status}")
            case _:
                return outcome


def within_limits(message: object) -> dict[str, object]:
    """The message with every text and list cut to what Slack takes; what is no message becomes one."""
    if not isinstance(message, dict) or not ("text" in message or "blocks" in message or "attachments" in message):
        message = {"text": message if isinstance(message, str) else orjson.dumps(message).decode()}
    kept: dict[str, object] = dict(message)
    if isinstance(text := kept.get("text"), str):
        kept["text"] = cut(text, TEXT_LIMIT)
    blocks = kept.get("blocks")
    if isinstance(blocks, list):
        kept["blocks"] = _within_total([_block(block) for block in blocks[:BLOCKS_LIMIT]])
        kept.setdefault("text", "Gatecrier")
    return kept


def cut(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity."""
    if len(text) <= limit:
        return text
    short = text[: max(0, limit - 1)]
    ampersand = short.rfind("&", max(0, len(short) - _LONGEST_ENTITY))
    if ampersand >= 0 and ";" not in short[ampersand:]:
        short = short[:ampersand]
    return f"{short}…" if limit > 0 else ""


def _block(block: object) -> object:
    if not isinstance(block, dict):
        return block
    kept = dict(block)
    if "text" in kept:
        kept["text"] = _text(kept["text"], HEADER_LIMIT if kept.get("type") == "header" else SECTION_LIMIT)
    if isinstance(fields := kept.get("fields"), list):
        kept["fields"] = [_text(field, FIELD_LIMIT) for field in fields[:FIELDS_LIMIT]]
    if isinstance(elements := kept.get("elements"), list):
        kept["elements"] = [_text(element, FIELD_LIMIT) for element in elements[:ELEMENTS_LIMIT]]
    return kept


def _text(element: object, limit: int) -> object:
    if isinstance(element, dict) and isinstance(text := element.get("text"), str):
        return element | {"text": cut(text, limit)}
    return element


def _within_total(blocks: list[object]) -> list[object]:
    """The first blocks that fit into a message as a whole."""
    kept, room = [], TOTAL_LIMIT
    for block in blocks:
        size = _size(block)
        if size > room:
            break
        kept.append(block)
        room -= size
    return kept


def _size(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(_size(item) for item in value.values())
        case list():
            return sum(_size(item) for item in value)
        case _:
            return 0
