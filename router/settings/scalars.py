"""What a plain scalar of YAML means. Pure.

Source: YAML 1.2.2, clause 10.3, the core schema.
"""

from __future__ import annotations

import math
import re

from router.integers import INTEGERS

_WORDS: dict[str, bool | None] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"), None)
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
)
_WHOLE = re.compile(r"[-+]?[0-9]{1,20}|0o[0-7]{1,22}|0x[0-9a-fA-F]{1,16}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", re.ASCII)


def core_value(text: str) -> bool | int | float | str | None:
    """What a plain scalar means by the core schema; numbers that nobody can hold stay texts."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _WHOLE.fullmatch(text):
        number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return number if number in INTEGERS else text
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text
