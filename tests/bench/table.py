"""A figure beside its bare counterpart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    name: str
    ours: str
    bare: str
    ratio: str
    wanted: str


HEADS = Row("figure", "ours", "bare counterpart", "ratio", "wanted")


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for docs/benchmarks.md."""
    lines = [HEADS, Row("---", "---", "---", "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [HEADS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
