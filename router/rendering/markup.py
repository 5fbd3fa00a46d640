r"""How a service reads texts, and how values are kept from being read as its markup. Pure.

Rules for Slack:
(1) It reads `&`, `<` and `>` as markup: `<!channel>` mentions everybody, `<URL|TEXT>` is a link. Exactly these three
    are escaped, as entities (Slack, "Formatting text for app surfaces").
(2) Characters that people can not see (control, format, those that reorder text) are shown as escapes such as
    `\u202e`, line breaks as `\n`: a name can neither forge a line nor look like another. Only texts of our own making
    (`Lines`), whose parts are guarded already, keep their line breaks.
(3) Nothing is escaped twice: `Escaped` says what was. A text that loses that mark on its way is escaped once more,
    which is ugly but safe; none can gain it without having been escaped, or having been let through by `raw`.
(4) Cutting comes after escaping and never ends inside an entity or an escape.
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
    """A text that was escaped already, or that the template's author wants unescaped."""

    __slots__ = ()


class Lines(str):
    """A text of our own making that may have several lines."""

    __slots__ = ()


_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SPECIAL = re.compile(f"[&<>{_UNSEEN}]")
_SHOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|\\(?:u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?)\Z")
_LAST_OF_BMP = 0xFFFF


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped):
        return text
    if (text.isalnum() and text.isascii()) or not _SPECIAL.search(text):
        return text
    return Escaped(_SPECIAL.sub(_shown_in_lines if isinstance(text, Lines) else _shown, text))


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    if (short := _SHOWN.get(character)) is not None:
        return short
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_BMP else f"\\U{code:08x}"


def _shown_in_lines(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\n" else _shown(match)


def cut_chars(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity."""
    if len(text) <= limit:
        return text
    return _marked(text, text[: limit - 1] if limit > 0 else "", "…" if limit > 0 else "")


def cut_bytes(text: str, limit: int) -> str:
    """The same by bytes of UTF-8, never ending inside a character."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    ellipsis = "…" if limit >= len("…".encode()) else ""
    short = data[: max(0, limit - len(ellipsis.encode()))].decode(errors="ignore")
    return _marked(text, short, ellipsis)


def _marked(text: str, short: str, ellipsis: str) -> str:
    """The short text with the mark of the whole."""
    match text:
        case Escaped():
            return Escaped(_BROKEN_END.sub("", short) + ellipsis)
        case Lines():
            return Lines(short + ellipsis)
        case _:
            return short + ellipsis
