"""How commands describe themselves: filled to 80 columns, with examples that can be copied."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from router.cli.parsing import example

if TYPE_CHECKING:
    from router.cli import Subcommands

_WIDTH = 78


def described(
    subcommands: Subcommands, name: str, *, brief: str, text: str, examples: str, usage: str | None = None
) -> argparse.ArgumentParser:
    """A parser for a command that does something.

    Args:
        subcommands: Where it belongs.
        name: What it is called.
        brief: What it does, for the list of commands.
        text: What it does, in whole sentences; paragraphs are separated by empty lines.
        examples: Command lines, one or more.
        usage: Its synopsis, where a list of all options would hide it.
    """
    paragraphs = text.split("\n\n")
    return subcommands.add_parser(
        name,
        help=brief,
        description="\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in paragraphs),
        epilog=example(*textwrap.dedent(examples).strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=usage,
    )


def examples_of(parser: argparse.ArgumentParser) -> str:
    """The command lines that show how it is used; empty where there are none."""
    return textwrap.dedent("\n".join((parser.epilog or "").splitlines()[1:]))
