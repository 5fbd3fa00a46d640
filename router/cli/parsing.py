"""The command line's parser: what argparse offers, with an example below every help.

Rules:
(1) Every command, and every group of them, gives an `epilog` of examples (`example`): people copy before they read.
(2) Examples stand as they are, a line each; everything else is wrapped to the width of the terminal.
"""

from __future__ import annotations

import argparse
from typing import Any

_HEAD = "example"


def example(*lines: str) -> str:
    """The epilog with these command lines."""
    return "\n".join([f"{_HEAD}{'s' if len(lines) > 1 else ''}:", *(f"  {line}" for line in lines)])


class _Help(argparse.HelpFormatter):
    """Keeps the lines of examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_HEAD) else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A command; its subcommands have parsers of this kind, too."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own, handed on
        super().__init__(**{"formatter_class": _Help, **options})
