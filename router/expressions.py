r"""Regular expressions that operators write: matched in full, in time that is linear in the text. Pure.

Rules:
(1) The engine is RE2: whoever deploys chooses the text, and no text may keep it busy. What that costs is named, not
    taken for something else: lookaround, back-references, atomic groups and possessive quantifiers are refused.
(2) An expression matches the whole text; `.` takes line breaks too, so that a second line hides nothing.
(3) It has at most `LENGTH` characters, and its program at most 1 MiB (RE2 gives the program two thirds of what it may
    take in all, and the states that it remembers the rest; without room for those it works on, slower).
(4) A text that UTF-8 can't hold (lone surrogates) is matched with `?` in their place.

google-re2 has no type information: nothing of it leaves this module untyped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2  # type: ignore[import-untyped]  # neither google-re2 nor anybody else publishes its types

from router.text import shown

LENGTH = 1000
"""Characters of an expression."""
_MEMORY = 3 * 2**19
"""Bytes of an expression's program and states: two thirds of them are 1 MiB."""
_ELEMENT = re.compile(
    r"""\\(?P<reference>[1-9]|k[<{']) | \\. | \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]
    | \(\?(?P<group>=|!|<=|<!|>|P=|\(|\#) | (?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?P<possessive>\+)""",
    re.VERBOSE | re.DOTALL,
)
_GROUPS = {
    "=": "lookahead (?=...)",
    "!": "negative lookahead (?!...)",
    "<=": "lookbehind (?<=...)",
    "<!": "negative lookbehind (?<!...)",
    ">": "an atomic group (?>...)",
    "P=": "a back-reference (?P=...)",
    "(": "a condition (?(...)...)",
    "#": "a comment (?#...)",
}

FullMatch = Callable[[str], bool]
"""Whether the expression matches the whole text."""


def full_match(expression: str) -> FullMatch:
    """Compile an expression.

    Raises:
        ValueError: It is none, or is too large; the text names the part that is not taken.
    """
    if len(expression) > LENGTH:
        raise ValueError(f"a regular expression of {len(expression)} characters; at most {LENGTH} are taken")
    options = re2.Options()
    options.never_capture, options.log_errors, options.dot_nl, options.max_mem = True, False, True, _MEMORY
    try:
        matches: Callable[[bytes], object] = re2.compile(expression.encode(), options).fullmatch
    except UnicodeEncodeError as error:
        raise ValueError(f"{shown(expression)} has halves of characters (lone surrogates); write whole ones") from error
    except re2.error as error:
        raise ValueError(_in_words(expression, error)) from error
    return lambda text: matches(text.encode(errors="replace")) is not None


def _in_words(expression: str, error: Exception) -> str:
    if (part := _refused_part(expression)) is not None:
        return f"{shown(expression)} has {part}; patterns run in linear time (RE2) and have none: write it without"
    cause = error.args[0] if error.args else str(error)
    told = cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause)
    told = "its program is larger than 1 MiB; repeat less" if "too large" in told else told
    return f"{shown(expression)} is not a valid regular expression (RE2): {told}"


def _refused_part(expression: str) -> str | None:
    """The first part of it that RE2 never takes, in words; None where there is none."""
    for found in _ELEMENT.finditer(expression):
        if found["reference"]:
            return f"a back-reference {found[0]}"
        if found["group"]:
            return _GROUPS[found["group"]]
        if found["possessive"]:
            return f"a possessive quantifier {found[0]}"
    return None
