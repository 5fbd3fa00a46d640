"""Tables for a terminal: within its width, and no word is ever cut. Pure, but for the width.

Rules:
(1) Where a table is wider than the terminal, cells are wrapped between words, the widest column first.
(2) Where that is not enough, columns go beneath the others, indented, as many on a line as fit. Only a single word that
    is wider than the terminal goes beyond it.
(3) Characters that can't be seen are shown as escapes: cells may hold what others wrote.
(4) Where there is no row, a sentence says so, if there is one to say; heads above nothing look like a mistake.
(5) Without a terminal, and without COLUMNS, the width is 80.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from router.text import one_line

_BETWEEN = "  "
_BENEATH = "    "


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    nothing: str | None = None,
    indent: str = "",
    width: int | None = None,
) -> str:
    """Heads and rows as columns.

    Args:
        heads: What stands above the columns.
        rows: As many cells each.
        nothing: What is said where there is no row (4).
        indent: What stands before each line.
        width: Characters of a line; the terminal's where it is None.
    """
    rows = list(rows)
    if not rows and nothing is not None:
        return indent + nothing
    if width is None:
        width = shutil.get_terminal_size().columns
    cells = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    room = width - len(indent)
    columns = list(zip(*cells, strict=True))
    widths, least = [max(map(len, column)) for column in columns], [_longest(column) for column in columns]
    if _beside(least) <= room:
        widths = _wrapped(widths, least, room)
    else:
        widths = [min(wide, max(narrow, room - len(_BENEATH))) for wide, narrow in zip(widths, least, strict=True)]
    lines = (line for row in cells for line in _lines(row, widths, _groups(widths, room)))
    return "\n".join((indent + line).rstrip() for line in lines)


def _longest(column: Sequence[str]) -> int:
    """Characters of the longest word."""
    return max((len(word) for cell in column for word in cell.split()), default=0)


def _beside(widths: Sequence[int]) -> int:
    """Characters of columns beside each other."""
    return sum(widths) + len(_BETWEEN) * (len(widths) - 1)


def _wrapped(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths, those of the widest made smaller until all fit; that they can is sure."""
    made = list(widths)
    for _ in range(_beside(widths) - room):
        widest = max((index for index, width in enumerate(made) if width > least[index]), key=made.__getitem__)
        made[widest] -= 1
    return made


def _groups(widths: Sequence[int], room: int) -> Sequence[range]:
    """The columns that stand beside each other, in order."""
    groups: list[range] = []
    first, used = 0, widths[0]
    for index, width in enumerate(widths[1:], 1):
        indent = len(_BENEATH) if groups else 0
        if indent + used + len(_BETWEEN) + width > room:
            groups.append(range(first, index))
            first, used = index, width
        else:
            used += len(_BETWEEN) + width
    return [*groups, range(first, len(widths))]


def _lines(row: Sequence[str], widths: Sequence[int], groups: Sequence[range]) -> Iterator[str]:
    for number, group in enumerate(groups):
        parts = [_folded(row[index], widths[index]) for index in group]
        for line in range(max(map(len, parts))):
            beside = (
                (part[line] if line < len(part) else "").ljust(widths[index])
                for index, part in zip(group, parts, strict=True)
            )
            yield (_BENEATH if number else "") + _BETWEEN.join(beside)


def _folded(cell: str, width: int) -> Sequence[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, max(1, width), break_long_words=False, break_on_hyphens=False)
