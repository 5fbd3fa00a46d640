r"""Where in a template a place of its document comes from. Pure.

A document whose skeleton is marked (`skeleton`, rule 8) has `\0LINE\0` before what comes from another line than what
was before. Without the marks it is the document itself.
"""

from __future__ import annotations

import json
import re

_MARK = re.compile("\0([0-9]+)\0")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


def mark(line: int) -> str:
    """What stands before a piece that comes from this line."""
    return f"\0{line}\0"


def line_at(marked: str, position: int) -> int | None:
    """The line that the character at this position of the unmarked document comes from; None where there is no mark."""
    line, passed = None, 0
    for found in _MARK.finditer(marked):
        if found.start() - passed > position:
            break
        line, passed = int(found[1]), passed + len(found[0])
    return line


def repeated_key(document: str) -> tuple[int, str] | None:
    """Position and text of the first key of valid JSON that its object has already; None where there is none."""
    keys: list[set[str]] = []
    last = None
    for token in _TOKEN.finditer(document):
        match token[0]:
            case "{" | "[":
                keys.append(set())
            case "}" | "]":
                keys.pop()
            case ":" if last is not None:
                key: str = json.loads(last[0])
                if key in keys[-1]:
                    return last.start(), key
                keys[-1].add(key)
            case _:
                last = token
    return None
