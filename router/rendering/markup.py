"""How a service reads texts, and how values are kept from being read as its markup. Pure.

Slack reads `&`, `<` and `>` as markup: `<!channel>` mentions everybody, `<URL|TEXT>` is a link. Exactly these three are
escaped (Slack, "Formatting text for app surfaces"). Characters that people can not see (control characters, and those
that reorder text) are shown as escapes, so that a name can neither forge a line nor look like another.
"""

from __future__ import annotations

import re
from enum import Enum


class Markup(Enum):
    """What a service does with texts."""

    NONE = "none"
    """Nothing: they are data."""
    SLACK = "slack"
    """Slack's mrkdwn."""


class Escaped(str):
    """A text that was escaped already, or that its author wants unescaped."""

    __slots__ = ()


_SPECIAL = re.compile(
    r"[&<>\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ENTITY = re.compile(r"&[a-z]{0,4}$")


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped) or not _SPECIAL.search(text):
        return text
    return Escaped(_SPECIAL.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return _ENTITIES.get(character) or f"\\u{ord(character):04x}"


def cut_chars(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity."""
    if len(text) <= limit:
        return text
    short = text[: max(0, limit - 1)]
    if isinstance(text, Escaped):
        short = _ENTITY.sub("", short)
        return Escaped(f"{short}…"[: max(0, limit)])
    return f"{short}…"[: max(0, limit)]


def cut_bytes(text: str, limit: int) -> str:
    """The same by bytes of UTF-8."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    ellipsis = "…".encode()
    short = data[: max(0, limit - len(ellipsis))].decode(errors="ignore")
    short += "…" if limit >= len(ellipsis) else ""
    if isinstance(text, Escaped):
        return Escaped(_ENTITY.sub("", short.removesuffix("…")) + ("…" if limit >= len(ellipsis) else ""))
    return short
