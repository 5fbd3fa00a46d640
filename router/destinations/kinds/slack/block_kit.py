"""What Slack takes in a message, and how any message is cut to it. Pure.

Sources: Block Kit reference (limits). An undocumented total of about 13,200 characters over all blocks gives
`msg_blocks_too_long`.

Whatever template made a message, it is cut to those limits here: to be refused for ever would be a lost alert. Texts
are cut after they were escaped, and never inside an entity such as `&amp;`. A message that is within the limits stays
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import orjson

from router.destinations.document import Document, text_of
from router.rendering.markup import whole_at_end

SlackMessage: TypeAlias = dict[str, object]
"""What Slack is sent: `text`, and perhaps `blocks`, `attachments` and more."""

TEXT_LIMIT, SECTION_LIMIT, FIELD_LIMIT, HEADER_LIMIT, BUTTON_LIMIT, ALT_LIMIT = 40_000, 3000, 2000, 150, 75, 2000
BLOCKS_LIMIT, FIELDS_LIMIT, CONTEXT_LIMIT, ACTIONS_LIMIT, ID_LIMIT, TOTAL_LIMIT = 50, 10, 10, 25, 255, 13_000
"""Characters and counts, from Block Kit."""
ATTACHMENT_LIMIT, ATTACHMENTS_LIMIT = 8000, 20
"""Of the older way to say more than a text. Slack publishes no limits; it has an error `too_many_attachments`."""
UNSAID, EMPTY = "Gatecrier", "-"
"""What stands for a message's missing text, and for an empty text in a block: Slack refuses both."""
_LADDER = (1, 2, 4, 8, 20)
"""Which part of their limits texts may use, step by step, until the whole fits."""
LIMITS = {"blocks": BLOCKS_LIMIT, "characters of a section": SECTION_LIMIT, "characters of all blocks": TOTAL_LIMIT}
"""The ones that templates meet."""
_SHORT = 8
"""Which part they may use of a message that was too large as a whole."""
_TEXT_LIMITS = {"header": HEADER_LIMIT, "button": BUTTON_LIMIT}
_ATTRIBUTE_LIMITS = {"block_id": ID_LIMIT, "action_id": ID_LIMIT, "alt_text": ALT_LIMIT}
_COUNT_LIMITS = {
    ("section", "fields"): FIELDS_LIMIT,
    ("context", "elements"): CONTEXT_LIMIT,
    ("actions", "elements"): ACTIONS_LIMIT,
}
_LEFT_OUT = {"type": "context", "elements": [{"type": "plain_text", "text": "… more than Slack can take"}]}


def message_of(document: Document, part: int = 1) -> SlackMessage:
    """The message that a template made, within Slack's limits; what is no JSON is its text.

    Texts may use one part in so many of their limits.
    """
    try:
        message = within_limits(document.parsed(), part)
        orjson.dumps(message)
    except (ValueError, TypeError, RecursionError):  # no JSON, or nested more deeply than it can be written again
        message = within_limits(text_of(document.body), part)
    return message


def plain_message(text: str) -> SlackMessage:
    """A message of one text in which nothing is markup, and whose links are not looked at."""
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def shorter(document: Document) -> Document | None:
    """With texts of an eighth of their limits; None where there is nothing to cut."""
    short, whole = (orjson.dumps(message_of(document, part)) for part in (_SHORT, 1))
    return replace(document, body=short, value=None) if len(short) < len(whole) else None


def within_limits(message: object, part: int = 1) -> SlackMessage:
    """The message with every text and list cut to what Slack takes; what is no message becomes one.

    Args:
        message: What a template made.
        part: Texts may use one part in so many of their limits.
    """
    if not isinstance(message, dict) or not any(message.get(key) for key in ("text", "blocks", "attachments")):
        message = plain_message(message if isinstance(message, str) else orjson.dumps(message).decode())
    kept: SlackMessage = dict(message)
    text = kept.get("text")
    if text is not None and not isinstance(text, str):
        text = orjson.dumps(text).decode()
    kept["text"] = cut(text, TEXT_LIMIT // part) if text and text.strip() else UNSAID
    room = TOTAL_LIMIT
    if isinstance(blocks := kept.get("blocks"), list):
        kept["blocks"] = cut_blocks = _blocks(blocks, part, room)
        room -= _size(cut_blocks)
    if isinstance(attachments := kept.get("attachments"), list):
        kept["attachments"] = _attachments(attachments[:ATTACHMENTS_LIMIT], part, room)
    return kept


def cut(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity.

    Characters are counted as UTF-16 does, where an emoji is two: nobody says how Slack counts.
    """
    if length(text) <= limit:
        return text
    if limit <= 0:
        return ""
    short = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    return f"{whole_at_end(short)}…"


def length(text: str) -> int:
    """Characters as UTF-16 counts them."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _attachments(attachments: Sequence[object], part: int, room: int) -> list[object]:
    """Those, whose blocks share what those of the message have left."""
    kept, limit = list[object](), ATTACHMENT_LIMIT // part
    for one in attachments:
        if not isinstance(one, dict) or not isinstance(one.get("blocks"), list):
            kept.append(_cut_all(one, limit))
            continue
        blocks = _blocks(one["blocks"], part, room)
        room -= _size(blocks)
        kept.append({key: blocks if key == "blocks" else _member("", key, item, limit) for key, item in one.items()})
    return kept


def _blocks(blocks: Sequence[object], part: int, room: int) -> list[object]:
    """The ladder: fewer blocks where there are too many, ever shorter texts, and then the first blocks that fit.

    Args:
        blocks: Those of a template.
        part: Texts may use one part in so many of their limits at most.
        room: Characters of all.
    """
    if len(blocks) > BLOCKS_LIMIT:
        blocks = [*blocks[: BLOCKS_LIMIT - 1], _LEFT_OUT]
    kept: list[object] = []
    for step in _LADDER:
        if step >= part:
            kept = [_cut_all(block, SECTION_LIMIT // step) for block in blocks]
            if _size(kept) <= room:
                return kept
    if (room := room - _size(_LEFT_OUT)) < 0:
        return []  # not even that has room
    first = 0
    while (room := room - _size(kept[first])) >= 0:
        first += 1
    return [*kept[:first], _LEFT_OUT]


def _cut_all(value: object, limit: int) -> object:
    """Every text in a block, cut to this many characters, or to fewer where the kind of its holder wants that."""
    match value:
        case dict():
            kind = str(value.get("type"))
            limit = min(limit, _TEXT_LIMITS.get(kind, limit))
            return {key: _member(kind, key, item, limit) for key, item in value.items()}
        case list():
            return [_cut_all(item, limit) for item in value]
        case _:
            return value


def _member(kind: str, key: str, item: object, limit: int) -> object:
    match item:
        case str() if key == "text":
            return cut(item, limit) if item.strip() else EMPTY
        case str():
            return cut(item, _ATTRIBUTE_LIMITS[key]) if key in _ATTRIBUTE_LIMITS else item
        case list():
            inner = limit * FIELD_LIMIT // SECTION_LIMIT if key == "fields" else limit
            return [_cut_all(one, inner) for one in item[: _COUNT_LIMITS.get((kind, key))]]
        case _:
            return _cut_all(item, limit)


def _size(value: object) -> int:
    match value:
        case str():
            return length(value)
        case dict():
            return sum(_size(item) for item in value.values())
        case list():
            return sum(_size(item) for item in value)
        case _:
            return 0
