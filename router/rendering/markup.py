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

Rules for lines of logs, which end where a line break is, and whose fields end at a character of their own:
(5) Syslog (RFC 5424, clause 6.3.3): `"`, `\` and `]` have a backslash before them. CEF (OpenText, "CEF Implementation
    Standard"): in an extension `\` and `=` have one, and `|` means nothing. LEEF (IBM, "LEEF event components") has no
    escape: what it delimits by (`|`, `^`, tab) is shown as rule 2 shows what nobody sees.
(6) Rule 2 holds for all of them, and its backslash is escaped as any other where backslashes mean something: what
    arrives unescaped reads alike everywhere. The line breaks of `Lines` become escapes where there are such for them.
(7) They are cut while they are escaped (`escape_within`): a backslash at a cut would escape what comes next.
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
    HTML = "html"
    """HTML, inside elements and quoted attributes."""
    SYSLOG = "syslog"
    """Values of parameters in syslog's structured data."""
    CEF = "cef"
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


class Lines(str):
    """A text of our own making that may have several lines."""

    __slots__ = ()


_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SHOWN: Mapping[Markup, Mapping[str, str]] = {
    Markup.SLACK: _ENTITIES,
    Markup.HTML: {**_ENTITIES, '"': "&quot;", "'": "&apos;"},
    Markup.SYSLOG: {character: f"\\{character}" for character in '"\\]'},
    Markup.CEF: {"\\": "\\\\", "=": "\\="},
    Markup.LEEF: {"|": "\\u007c", "^": "\\u005e"},
    Markup.QUOTED: {"\\": "\\\\", '"': '\\"'},
    Markup.LINE: {},
}
"""What each reads as markup, and how it is written."""
_SPECIAL = {markup: re.compile(f"[{re.escape(''.join(shown))}{_UNSEEN}]") for markup, shown in _SHOWN.items()}
_IN_LINES = {Markup.SLACK: "\n", Markup.HTML: "\n", Markup.CEF: "\\n", Markup.QUOTED: "\\n"}
"""A line break of `Lines`, where there can be one."""
_ESCAPES = frozenset({Markup.SYSLOG, Markup.CEF, Markup.QUOTED})
"""Where a backslash escapes what comes next."""
_BROKEN_END = re.compile(r"(?:&[a-z]{0,4}|\\(?:u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?)\Z")
_LAST_OF_BMP = 0xFFFF


def escape(text: str, markup: Markup) -> str:
    """The text so that the service shows it as it is."""
    if markup is Markup.NONE or isinstance(text, Escaped):
        return text
    if (text.isalnum() and text.isascii()) or not _SPECIAL[markup].search(text):
        return text
    has_lines = isinstance(text, Lines)
    return Escaped(_SPECIAL[markup].sub(lambda match: _shown(match[0], markup, has_lines=has_lines), text))


def escape_within(text: str, markup: Markup, limit: int) -> str:
    """The same in at most so many bytes of UTF-8, with an ellipsis where something is missing; nothing is cut apart."""
    if len((whole := escape(text, markup)).encode(errors="replace")) <= limit:
        return whole
    has_lines, kept, room = isinstance(text, Lines), list[str](), limit - len("…".encode())
    if room < 0:
        return Escaped("")
    for character in text:
        special = _SPECIAL[markup].match(character)
        one = _shown(character, markup, has_lines=has_lines) if special else character
        if (room := room - len(one.encode(errors="replace"))) < 0:
            break
        kept.append(one)
    return Escaped("".join(kept) + "…")


def _shown(character: str, markup: Markup, *, has_lines: bool) -> str:
    if (written := _SHOWN[markup].get(character)) is not None:
        return written
    if has_lines and character == "\n" and markup in _IN_LINES:
        return _IN_LINES[markup]
    code = ord(character)
    shown = _SHORT.get(character) or (f"\\u{code:04x}" if code <= _LAST_OF_BMP else f"\\U{code:08x}")
    return f"\\{shown}" if markup in _ESCAPES else shown


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
