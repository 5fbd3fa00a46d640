r"""How a service reads texts, and how values are kept from being read as its markup. Pure.

Rules for Slack:
(1) It reads `&`, `<` and `>` as markup: `<!channel>` mentions everybody, `<URL|TEXT>` is a link. Exactly these three
    are escaped, as entities (Slack, "Formatting text for app surfaces").
(2) What people can not see is shown as escapes (`router.text`): a name can neither forge a line nor look like another.
    Only texts of our own making (`TextLines`), whose parts are guarded already, keep their line breaks.
(3) Nothing is escaped twice: `Escaped` says what was. A text that loses that mark on its way is escaped once more,
    which is ugly but safe; none can gain it without having been escaped, or having been let through by `raw`.
(4) Cutting comes after escaping and never ends inside an entity, an escape or the place of a secret.

Rules for Adaptive Cards:
(5) A TextBlock and a Fact read a subset of Markdown, a TextRun reads none (Adaptive Cards, "Text features"). No client
    needs to honour an escape by a backslash (microsoft/AdaptiveCards, issues 5590 and 5758), so that none is made: what
    others wrote belongs into a TextRun, where every name stands as it is.
(6) What would do harm in a TextBlock, too, is shown as an escape such as `\u0028`, of which no name has any: a link's
    text over another target (`](`, or `(` where a text begins, and `]:`, without which `[x][y]` is none), `<at>` that
    mentions, `{{DATE(...)}}`, and entities, which look like other characters.

Rules for Markdown (CommonMark with GitHub's tables, as Mattermost has it), Discord and Google Chat:
(7) In Markdown and Discord a backslash goes before what would emphasise, link, quote, list, head, hide or fence, where
    it would (CommonMark 0.31, clause 2.4). Google Chat, like Slack, has no escape for `*`, `_`, `~` and backticks.
(8) What is looked for before Markdown is read, or not everywhere undone by a backslash, is shown as an escape such as
    `\u003c`: `<` (elements, links and mentions as Slack writes them, `<users/all>`), entities, and an `@` that mentions
    somebody; that before a digest does not, and stays.
(9) Names stand as they are in a code span (`code`), where nothing means anything but a backtick, and `|` in a table
    (GFM, clause 4.10); which are shown as escapes, for a backslash does nothing there. So is what may be looked for
    before Markdown is read.

Rules for lines of logs, which end where a line break is, and whose fields end at a character of their own:
(10) Syslog (RFC 5424, clause 6.3.3): `"`, `\` and `]` have a backslash before them. CEF (OpenText, "CEF Implementation
    Standard"): in an extension `\` and `=` have one, and `|` means nothing; where a value may stand in the header, too,
    `|` is shown as rule 2 shows what nobody sees. LEEF (IBM, "LEEF event components") has no
    escape: what it delimits by (`|`, `^`, tab) is shown so, too.
(11) Rule 2 holds for all of them, and its backslash is escaped as any other where backslashes mean something: what
    arrives unescaped reads alike everywhere. The line breaks of `TextLines` become escapes where there are such for
    them.
(12) They are cut while they are escaped (`escape_within`): a backslash at a cut would escape what comes next.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from enum import Enum

from router.rendering.secret_places import end_before
from router.text import escape_of, one_line


class Markup(Enum):
    """What a service does with texts."""

    NONE = "none"
    """Nothing: they are data."""
    SLACK = "slack"
    """Slack's mrkdwn."""
    ADAPTIVE_CARD = "adaptive_card"
    """The Markdown of Adaptive Cards in Microsoft Teams."""
    MARKDOWN = "markdown"
    """Markdown, as CommonMark, GitHub and Mattermost read it."""
    DISCORD = "discord"
    """Discord's Markdown."""
    GOOGLE_CHAT = "google_chat"
    """Google Chat's messages and cards."""
    ADF = "adf"
    """Documents of Jira, of which texts are no markup."""
    HTML = "html"
    """HTML, inside elements and quoted attributes."""
    SYSLOG = "syslog"
    """Values of parameters in syslog's structured data."""
    CEF = "cef"
    """Values anywhere in CEF."""
    CEF_EXTENSION = "cef_extension"
    """Values in the extension of CEF."""
    LEEF = "leef"
    """Values of LEEF's attributes."""
    QUOTED = "quoted"
    """Texts in double quotes, as in JSON and logfmt."""
    LINE = "line"
    """A line that is a text and nothing else."""


class Escaped(str):
    """A text that was escaped already, or that the template's author wants unescaped."""

    __slots__ = ()


class TextLines(str):
    """A text of our own making that may have several lines."""

    __slots__ = ()


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BACKSLASHED = {character: f"\\{character}" for character in "\\`*_[]~|$-+=>#.):("}
_SHOWN: Mapping[Markup, Mapping[str, str]] = {
    Markup.SLACK: _ENTITIES,
    Markup.HTML: {**_ENTITIES, '"': "&quot;", "'": "&apos;"},
    Markup.SYSLOG: {character: f"\\{character}" for character in '"\\]'},
    Markup.CEF: {"\\": "\\\\", "=": "\\=", "|": "\\\\u007c"},
    Markup.CEF_EXTENSION: {"\\": "\\\\", "=": "\\="},
    Markup.LEEF: {"|": "\\u007c", "^": "\\u005e"},
    Markup.QUOTED: {"\\": "\\\\", '"': '\\"'},
    Markup.MARKDOWN: _BACKSLASHED,
    Markup.DISCORD: _BACKSLASHED,
}
"""What each reads as markup, and how it is written; what is special and not here is shown as an escape."""
_BEFORE_MARKDOWN = r"<(?=\S|\Z)"
_ENTITY = "&(?=#|[A-Za-z0-9]+;)"
_MENTION = r"(?<!\w)@(?=\w|\Z)"
_MENTION_IN_DISCORD = rf"{_MENTION}|@(?=everyone|here|\Z)"
_MARKDOWN = (
    r"[\\`*_\[\]~|$]"
    r"|(?<!\S)[-+=>#]"  # lists, headings, quotes and lines of their own
    r"|(?<=[0-9])[.)](?=\s|\Z)"  # an ordered list
    r"|\A[:(]"  # behind a `]` of the template's
    r"|\A[ ](?=[ ]{3})"  # a block of code
    r"|:(?=[A-Za-z0-9_+-]+:)"  # the name of an emoji
    rf"|{_ENTITY}|{_BEFORE_MARKDOWN}"
)
_SPECIAL = {
    **{markup: re.compile(f"[{re.escape(''.join(shown))}]") for markup, shown in _SHOWN.items()},
    Markup.ADAPTIVE_CARD: re.compile(
        r"(?:(?<=\])|\A)\(|(?<=\]):(?![0-9])|<(?=/?(?:at\b|\Z))|\{(?=\{|\Z)|&(?=#|[a-z0-9]+;)", re.IGNORECASE
    ),
    Markup.MARKDOWN: re.compile(f"{_MARKDOWN}|{_MENTION}"),
    Markup.DISCORD: re.compile(f"{_MARKDOWN}|{_MENTION_IN_DISCORD}"),
    Markup.GOOGLE_CHAT: re.compile(rf"(?:(?<=\])|\A)\(|{_BEFORE_MARKDOWN}|{_ENTITY}"),
}
_SPECIAL_IN_CODE = {
    Markup.SLACK: re.compile("[&<>`]"),
    Markup.MARKDOWN: re.compile(rf"`|\||{_BEFORE_MARKDOWN}|{_MENTION}"),
    Markup.DISCORD: re.compile(rf"`|\||{_BEFORE_MARKDOWN}|{_MENTION_IN_DISCORD}"),
    Markup.GOOGLE_CHAT: re.compile(f"`|{_BEFORE_MARKDOWN}"),
}
"""Of those that have spans of code."""
_LINE_BREAKS = {
    Markup.SLACK: "\n",
    Markup.ADAPTIVE_CARD: "\n",
    Markup.ADF: "\n",
    Markup.HTML: "\n",
    Markup.MARKDOWN: "  \n",
    Markup.DISCORD: "\n",
    Markup.GOOGLE_CHAT: "\n",
    Markup.CEF: "\\n",
    Markup.CEF_EXTENSION: "\\n",
    Markup.QUOTED: "\\n",
}
"""A line break of `TextLines`, where there can be one."""
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|\\(?:u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?)\Z")


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped):
        return text
    line_break = _LINE_BREAKS.get(markup)
    lines = text.split("\n") if isinstance(text, TextLines) and line_break is not None else (text,)
    seen = (line_break or "").join([_shown(line, markup) for line in lines])
    return text if seen == text else Escaped(seen)


def code(text: str, markup: Markup) -> str:
    """The text as a span of code, in which a name stands as it is; escaped as ever where there are no such spans."""
    if (special := _SPECIAL_IN_CODE.get(markup)) is None:
        return escape(text, markup)
    shown = _ENTITIES if markup is Markup.SLACK else {}
    inside = special.sub(lambda match: shown.get(match[0]) or escape_of(match[0]), one_line(text))
    return Escaped(f"`{inside}`" if inside else "")


def escape_within(text: str, markup: Markup, limit: int) -> str:
    """The same in at most so many bytes of UTF-8, with an ellipsis where something is missing; nothing is cut apart."""
    if _size(whole := escape(text, markup)) <= limit:
        return whole
    if isinstance(text, Escaped):
        return cut_bytes(text, limit)
    room = limit - len("…".encode())
    ends = range(len(text) + 1)
    count = bisect_right(ends, room, key=lambda end: _size(escape(type(text)(text[:end]), markup)))
    return Escaped(escape(type(text)(text[: count - 1]), markup) + "…" if count else "")


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _shown(line: str, markup: Markup) -> str:
    seen = one_line(line)
    if (special := _SPECIAL.get(markup)) is None or not special.search(seen):
        return seen
    shown = _SHOWN.get(markup, {})
    return special.sub(lambda match: shown.get(match[0]) or escape_of(match[0]), seen)


def cut_chars(text: str, limit: int) -> str:
    """At most so many characters, with an ellipsis where something is missing, never ending inside an entity."""
    if len(text) <= limit:
        return text
    return _marked(text, text[: end_before(text, max(0, limit - 1))], "…" if limit > 0 else "")


def cut_bytes(text: str, limit: int) -> str:
    """The same by bytes of UTF-8, never ending inside a character."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    ellipsis = "…" if limit >= len("…".encode()) else ""
    short = data[: max(0, limit - len(ellipsis.encode()))].decode(errors="ignore")
    return _marked(text, short[: end_before(text, len(short))], ellipsis)


def whole_at_end(text: str) -> str:
    """An escaped text that was cut, without the entity or the escape that the cut went through."""
    return _BROKEN_END.sub("", text)


def _marked(text: str, short: str, ellipsis: str) -> str:
    """The short text with the mark of the whole."""
    match text:
        case Escaped():
            return Escaped(whole_at_end(short) + ellipsis)
        case TextLines():
            return TextLines(short + ellipsis)
        case _:
            return short + ellipsis
