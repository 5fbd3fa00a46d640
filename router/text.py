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
import unicodedata
from collections.abc import Callable, Iterable, Sequence

SHOWN = 200
"""Characters of a refused text that an error repeats: whoever deploys chooses it."""
HEAD, TAIL = 200, 60
"""Characters that are kept of the beginning and of the end of a shortened text."""
LISTED = 30
"""Names that a remedy lists."""
_NEAR_ENOUGH = 0.6
_LAST_OF_BMP = 0xFFFF
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHOWS_NOTHING = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
"""Printable and empty: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blank of Braille."""
_HIDES = (
    "\u0334-\u0338\u0488\u0489\u1abe\u1cd4\u1ce2-\u1ce8\u20d2\u20d3\u20d8-\u20da\u20dd-\u20e0\u20e2-\u20e6\u20ea\u20eb"
    "\ua670-\ua672\U00010a39\U00016af0-\U00016af4\U0001bc9e\U0001d167-\U0001d169"
)
"""Marks drawn over what they stand on: of combining class 1 (Overlay), or enclosing it (UnicodeData.txt)."""
_PRINTABLE_UNSEEN = re.compile(f"[{_SHOWS_NOTHING}{_HIDES}]")
_BEYOND_ASCII = re.compile("[^ -~]+")
_EMOJI_LOOKS = frozenset("\ufe0e\ufe0f")


def is_seen(text: str) -> bool:
    """Whether people see that every character is there, and none does anything to what stands around it."""
    return text.isprintable() and (text.isascii() or _PRINTABLE_UNSEEN.search(text) is None)


def escape_of(character: str) -> str:
    """The escape that stands for a character."""
    if (short := _SHORT_ESCAPES.get(character)) is not None:
        return short
    code = ord(character)
    return f"\\u{code:04x}" if code <= _LAST_OF_BMP else f"\\U{code:08x}"


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
    if is_seen(run):
        return run
    parts, before = list[str](), " "
    for character in run:
        is_look = character in _EMOJI_LOOKS and unicodedata.category(before) == "So"
        parts.append(character if is_look or is_seen(character) else escape(character))
        before = character
    return "".join(parts)


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
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    return f"{text[:HEAD]}...{text[-TAIL:]} ({len(text)} characters, sha256 {digest})"


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
