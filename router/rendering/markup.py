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

Rules for Adaptive Cards:
(5) A TextBlock and a Fact read a subset of Markdown, a TextRun reads none (Adaptive Cards, "Text features"). No client
    needs to honour an escape by a backslash (microsoft/AdaptiveCards, issues 5590 and 5758), so that none is made: what
    others wrote belongs into a TextRun, where every name stands as it is.
(6) What would do harm in a TextBlock, too, is shown as an escape such as `\u0028`, of which no name has any: a link's
    text over another target (`](`, or `(` where a text begins, and `]:`, without which `[x][y]` is none), `<at>` that
    mentions, `{{DATE(...)}}`, and entities, which look like other characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum


class Markup(Enum):
    """What a service does with texts."""

    NONE = "none"
    """Nothing: they are data."""
    SLACK = "slack"
    """Slack's mrkdwn."""
    ADAPTIVE_CARD = "adaptive_card"
    """The Markdown of Adaptive Cards in Microsoft Teams."""
    ADF = "adf"
    """Documents of Jira, of which texts are no markup."""


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
_SPECIAL = {
    Markup.SLACK: re.compile(f"[&<>{_UNSEEN}]"),
    Markup.ADAPTIVE_CARD: re.compile(
        rf"[{_UNSEEN}]|(?:(?<=\])|\A)\(|(?<=\]):(?![0-9])|<(?=/?(?:at\b|\Z))|\{{(?=\{{|\Z)|&(?=#|[a-z0-9]+;)",
        re.IGNORECASE,
    ),
    Markup.ADF: re.compile(f"[{_UNSEEN}]"),
}
_LINES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHOWN = {
    Markup.SLACK: {"&": "&amp;", "<": "&lt;", ">": "&gt;", **_LINES},
    Markup.ADAPTIVE_CARD: _LINES,
    Markup.ADF: _LINES,
}
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|\\(?:u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?)\Z")
_LAST_OF_BMP = 0xFFFF


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped):
        return text
    special = _SPECIAL[markup]
    if (text.isalnum() and text.isascii()) or not special.search(text):
        return text
    shown, keeps_lines = _SHOWN[markup], isinstance(text, Lines)
    return Escaped(special.sub(lambda match: _as_seen(match[0], shown, keeps_lines=keeps_lines), text))


def _as_seen(character: str, shown: Mapping[str, str], *, keeps_lines: bool) -> str:
    if keeps_lines and character == "\n":
        return character
    if (short := shown.get(character)) is not None:
        return short
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_BMP else f"\\U{code:08x}"


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
