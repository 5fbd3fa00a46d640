"""A flow of Microsoft Teams, as far as is documented: what its trigger takes, and what Teams then shows of it.

Sources: Microsoft, "Create incoming webhooks with Workflows" (202, whatever becomes of the card), "Format cards in
Teams" (28 KB, Markdown in TextBlocks and Facts), the schema of Adaptive Cards 1.4 as far as texts go. A card
that Teams would not show is refused with 400 here, so that a test sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.sinks import Receipt, answer

LARGEST = 28_672
"""Bytes of a card as Teams writes it."""
ELEMENTS = {"RichTextBlock", "TextBlock", "FactSet", "Container", "ColumnSet", "Image"}
_LINK = re.compile(r"\]\(|^\s*\[[^\]]*\]:(?!\d)", re.MULTILINE)
_MENTION, _FUNCTION = re.compile(r"</?at\b", re.IGNORECASE), re.compile(r"\{\{")


@dataclass
class Teams:
    """One flow, which posts into one channel."""

    cards: list[Mapping[str, Any]] = field(default_factory=list)
    """What was posted."""

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        if found := refusals(receipt.body, receipt.headers.get("content-type", "")):
            return answer("400 Bad Request", json.dumps({"error": {"code": "Refused", "message": found}}).encode())
        self.cards.append(json.loads(receipt.body)["attachments"][0]["content"])
        return answer("202 Accepted")


def refusals(body: bytes, content_type: str = "application/json") -> list[str]:
    """What is wrong with a request."""
    try:
        message = json.loads(body)
    except ValueError:
        return ["no JSON"]
    found = [] if content_type.startswith("application/json") else ["content type"]
    if len(json.dumps(message)) > LARGEST:
        found.append("too large")
    match message:
        case {
            "type": "message",
            "attachments": [
                {"contentType": "application/vnd.microsoft.card.adaptive", "content": {"type": "AdaptiveCard"} as card}
            ],
        }:
            return found + _of_card(card)
        case _:
            return [*found, "no message with one card"]


def _of_card(card: Mapping[str, Any]) -> list[str]:
    body = card.get("body")
    if not isinstance(body, list) or not body:
        return ["no body"]
    version = card.get("version")
    found = [] if version in {f"1.{minor}" for minor in range(5)} else [f"version {version}"]
    found += [f"element {one}" for one in body if not isinstance(one, dict) or one.get("type") not in ELEMENTS]
    found += [f"empty {one}" for one in body if isinstance(one, dict) and one.get("inlines") == []]
    actions = card.get("actions", [])
    return found + [f"action {one}" for one in actions if not re.match("https?://", one.get("url", ""))]


def texts(card: object, key: str = "") -> Iterator[str]:
    """What people see of it."""
    match card:
        case str() if key in {"text", "title", "value"}:
            yield card
        case dict():
            for name, item in card.items():
                yield from texts(item, name)
        case list():
            for item in card:
                yield from texts(item, key)


def marks(card: Mapping[str, Any]) -> list[str]:
    """What would be read as markup of a card, wherever its texts stand: ends of links' texts, mentions, functions."""
    return [one[0] for text in texts(card) for mark in (_LINK, _MENTION, _FUNCTION) for one in mark.finditer(text)]


def in_markdown(card: object) -> Iterator[str]:
    """The texts that Teams reads as Markdown: of TextBlocks and Facts."""
    match card:
        case {"type": "TextBlock", "text": str(text)}:
            yield text
        case {"facts": list(facts)}:
            for fact in facts:
                yield from (fact["title"], fact["value"])
        case dict():
            for item in card.values():
                yield from in_markdown(item)
        case list():
            for item in card:
                yield from in_markdown(item)
