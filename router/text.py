r"""Texts that others wrote, as people may read them: on one line, within a limit, and with a remedy beside them. Pure.

Rules:
(1) Whatever can't be seen is shown as an escape, `\n`, `\u202e` or `\U000e0041`, so that a text can neither end a line,
    steer a terminal, turn other text around, nor hide anything. There is one set of such characters (`is_seen`):
    what Python calls not printable (control, format and with it bidi, separators and every space but U+0020,
    surrogates, private and unassigned ones), what shows nothing although it is printable, and marks that cross out or
    enclose what they stand on. Other marks are how languages are written, and stay.
(2) A selector that asks for an emoji stays behind a symbol, where it shows something.
(3) Escapes are not undone and a backslash is not escaped: what is shown is for people. Who reads JSON gets the text.
(4) What is cut says so: by an ellipsis in its room, or by its length and hash where people must know it again.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

SHOWN = 200
"""Characters of a refused text that an error repeats: whoever deploys chooses it."""
HEAD, TAIL = 200, 60
"""Characters that are kept of the beginning and of the end of a shortened text."""
SHORTENED = HEAD + TAIL + 50
"""Characters that a shortened text has at most: with this limit none is shortened again."""
LISTED = 30
"""Names that a remedy lists."""
_NEAR_ENOUGH = 0.6
_LAST_OF_BMP = 0xFFFF
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BEYOND_ASCII = re.compile("[^ -~]+")
_EMOJI_LOOKS = frozenset("\ufe0e\ufe0f")
_Ranges = Sequence[tuple[int, int]]
_SHOWS_NOTHING: _Ranges = (
    *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF)),
)
"""Printable and empty: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blank of Braille."""
_HIDES: _Ranges = (
    *((0x0334, 0x0338), (0x0488, 0x0489), (0x1ABE, 0x1ABE), (0x1CD4, 0x1CD4), (0x1CE2, 0x1CE8), (0x20D2, 0x20D3)),
    *((0x20D8, 0x20DA), (0x20DD, 0x20E0), (0x20E2, 0x20E6), (0x20EA, 0x20EB), (0xA670, 0xA672), (0x10A39, 0x10A39)),
    *((0x16AF0, 0x16AF4), (0x1BC9E, 0x1BC9E), (0x1D167, 0x1D169)),
)
"""Marks drawn over what they stand on: of combining class 1 (Overlay), or enclosing it (UnicodeData.txt)."""


def _all_but(ranges: _Ranges) -> str:
    """A class of a regular expression with every character that is in none of these ranges."""
    ends = [-1, *(end for pair in sorted(ranges) for end in pair), sys.maxunicode + 1]
    return "".join(rf"\U{last + 1:08x}-\U{first - 1:08x}" for last, first in zip(ends[::2], ends[1::2], strict=True))


@cache
def _printable_unseen() -> re.Pattern[str]:
    """As what is not seen: of most characters the engine knows at its first look that they are.

    Made when it is first needed: that takes milliseconds, and most commands see no other text than ASCII.
    """
    return re.compile(f"[^{_all_but((*_SHOWS_NOTHING, *_HIDES))}]")


def is_seen(text: str) -> bool:
    """Whether people see that every character is there, and none does anything to what stands around it."""
    return text.isprintable() and (text.isascii() or _printable_unseen().search(text) is None)


@lru_cache(maxsize=4096)
def escape_of(character: str) -> str:
    """The escape that stands for a character."""
    if (short := _SHORT_ESCAPES.get(character)) is not None:
        return short
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_BMP else f"\\U{code:08x}"


@lru_cache(maxsize=4096)
def escape_in_json(character: str) -> str:
    """The same as JSON and YAML have it within quotes: beyond U+FFFF, two escapes."""
    code = ord(character)
    if code <= _LAST_OF_BMP:
        return f"\\u{code:04x}"
    code -= _LAST_OF_BMP + 1
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def one_line(text: str, escape: Callable[[str], str] = escape_of) -> str:
    """The text with an escape in place of every character that can't be seen. What is long is cut before: see `cut`."""
    return text if is_seen(text) else _BEYOND_ASCII.sub(lambda run: _escaped_run(run[0], escape), text)


def _escaped_run(run: str, escape: Callable[[str], str]) -> str:
    if len(run) == 1:
        return run if _is_seen_alone(run) else escape(run)
    if is_seen(run):
        return run
    parts, before = list[str](), " "
    for character in run:
        is_look = character in _EMOJI_LOOKS and unicodedata.category(before) == "So"
        parts.append(character if is_look or _is_seen_alone(character) else escape(character))
        before = character
    return "".join(parts)


_is_seen_alone = lru_cache(maxsize=4096)(is_seen)  # strangers can send a text of hidden characters alone


def cut(text: str, limit: int) -> str:
    """At most so many characters; the last one shows that there were more."""
    if len(text) <= limit:
        return text
    return text[: limit - 1] + "…" if limit > 0 else ""


def cut_middle(text: str, limit: int) -> str:
    """At most so many characters, without its middle: an image is known by its registry and by its tag."""
    tail = limit // 3
    return text if len(text) <= limit else f"{cut(text, limit - tail)}{text[len(text) - tail :]}"


def shortened(text: str, limit: int = HEAD) -> str:
    """What is longer than the limit, by head, tail, length, and the first 12 digits of its SHA-256: few are alike."""
    return text if len(text) <= limit else f"{text[:HEAD]}{_end_of(text)}"


def shortened_into(text: str, room: int) -> str:
    """The same with a longer head, as long as there is room for: at most so many characters (`SHORTENED` or more)."""
    if len(text) <= room:
        return text
    end = _end_of(text)
    return f"{text[: room - len(end)]}{end}"


def _end_of(text: str) -> str:
    """What a text ends with that was shortened."""
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    return f"...{text[-TAIL:]} ({len(text)} characters, sha256 {digest})"


def shown(text: str, most: int = SHOWN) -> str:
    """A text that others wrote, as an error repeats it: in quotes on one line, and no more than so many characters."""
    kept = text if len(text) <= most else f"{text[:most]}..."
    return one_line(json.dumps(kept, ensure_ascii=False), escape_in_json)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, whatever its case."""
    by_folded = {text.casefold(): text for text in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=_NEAR_ENOUGH)
    return by_folded[found[0]] if found else None


def more(count: int, most: int, what: str = "") -> list[str]:
    """`and 3 more`, with what they are, where there are more than are told; else nothing."""
    return [f"and {count - most} more{what}"] if count > most else []


def how_often(times: int) -> str:
    """`once`, or `3 times`."""
    return "once" if times == 1 else f"{times} times"


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """The names as a sentence lists them: `a, b and 3 more`."""
    return " ".join((", ".join(names[:most]), *more(len(names), most)))


def advice(name: str, known: Iterable[str]) -> str:
    """`did you mean "shop-keys"? (known: allow, deny, shop-keys)`, or what is expected where nothing is near."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there is none to name"
    if (near := nearest(name, names)) is not None:
        return f"did you mean {shown(near)}? (known: {listed(names)})"
    return f"expected {'one of ' if len(names) > 1 else ''}{listed(names)}"


def why_unread(error: OSError | ValueError) -> str:
    """Why a file can't be read, or can't be a text."""
    match error:
        case OSError():
            return error.strerror or str(error)
        case UnicodeDecodeError():
            return f"the byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        case _:
            return str(error)


def lines_of(text: str) -> list[str]:
    """Its lines, ended by line feeds alone: other characters that Python ends lines at are part of what is said."""
    return text.removesuffix("\n").split("\n") if text else []
