r"""How a service reads texts, and how values are kept from being read as its markup. Pure.

Rules for Slack:
(1) It reads `&`, `<` and `>` as markup: `<!channel>` mentions everybody, `<URL|TEXT>` is a link. Exactly these three
    are escaped, as entities (Slack, "Formatting text for app surfaces").
(2) What people can not see is shown as escapes (`router.text`): a name can neither forge a line nor look like another.
    Only texts of our own making (`Lines`), whose parts are guarded already, keep their line breaks.
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
from enum import Enum

from router.text import escape_of, one_line


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


_SPECIAL = {
    Markup.SLACK: re.compile("[&<>]"),
    Markup.ADAPTIVE_CARD: re.compile(
        r"(?:(?<=\])|\A)\(|(?<=\]):(?![0-9])|<(?=/?(?:at\b|\Z))|\{(?=\{|\Z)|&(?=#|[a-z0-9]+;)", re.IGNORECASE
    ),
}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|\\(?:u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?)\Z")


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped):
        return text
    lines = text.split("\n") if isinstance(text, Lines) else (text,)
    seen = "\n".join(map(one_line, lines))
    if (special := _SPECIAL.get(markup)) is not None and special.search(seen):
        shown = _ENTITIES.__getitem__ if markup is Markup.SLACK else escape_of
        seen = special.sub(lambda match: shown(match[0]), seen)
    return text if seen == text else Escaped(seen)


def cut_chars(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity."""
    if len(text) <= limit:
        return text
    return _marked(text, text[: max(0, limit - 1)], "…" if limit > 0 else "")


def cut_bytes(text: str, limit: int) -> str:
    """The same by bytes of UTF-8, never ending inside a character."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    ellipsis = "…" if limit >= len("…".encode()) else ""
    short = data[: max(0, limit - len(ellipsis.encode()))].decode(errors="ignore")
    return _marked(text, short, ellipsis)


def whole_at_end(text: str) -> str:
    """An escaped text that was cut, without the entity or the escape that the cut went through."""
    return _BROKEN_END.sub("", text)


def _marked(text: str, short: str, ellipsis: str) -> str:
    """The short text with the mark of the whole."""
    match text:
        case Escaped():
            return Escaped(whole_at_end(short) + ellipsis)
        case Lines():
            return Lines(short + ellipsis)
        case _:
            return short + ellipsis
