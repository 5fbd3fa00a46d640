"""The command line's parser: how commands describe themselves, and the options that several of them have.

Rules:
(1) Every command says what it is for (`brief`, in the list of commands), what it does (`text`, whole sentences), and
    has examples: people copy before they read. So does every group of commands, but for the text.
(2) Examples stand as they are, a line each; everything else is filled to the width of the terminal, paragraph by
    paragraph.
(3) What several commands take is registered and read here, so that it has one name, one form and one meaning.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.text import shown

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

DEFAULT_CONFIG = Path("/etc/gatecrier/gatecrier.yaml")
MOST = 10**9
"""The largest limit: more than there can be of anything, and fewer than any number of a database."""
_HEAD = "example"


class _Help(argparse.HelpFormatter):
    """Keeps the lines of examples, and paragraphs apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_HEAD):
            return text
        return "\n\n".join(super(_Help, self)._fill_text(one, width, indent) for one in text.split("\n\n"))


class Parser(argparse.ArgumentParser):
    """A command; its subcommands have parsers of this kind, too."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - argparse's own, handed on
        super().__init__(**{"formatter_class": _Help, **options})


def command(
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
    return subcommands.add_parser(name, help=brief, description=text, epilog=example(examples), usage=usage)


def group(subcommands: Subcommands, name: str, *, brief: str, examples: str) -> Subcommands:
    """Where the commands of a group belong."""
    parser = subcommands.add_parser(name, help=brief, epilog=example(examples))
    return parser.add_subparsers(metavar="COMMAND", required=True)


def example(lines: str) -> str:
    """The epilog with these command lines."""
    stripped = textwrap.dedent(lines).strip()
    is_one = len(stripped.replace("\\\n", "").splitlines()) == 1
    return f"{_HEAD}{'' if is_one else 's'}:\n{textwrap.indent(stripped, '  ')}"


def examples_of(parser: argparse.ArgumentParser) -> str:
    """The command lines that show how it is used; empty where there are none."""
    return textwrap.dedent("\n".join((parser.epilog or "").splitlines()[1:]))


def configured(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    *,
    of_collector: bool = False,
    asks_collector: bool = False,
) -> None:
    """Let a command read a configuration.

    `of_collector`: it is about what only the collector keeps, and is run there wherever it is asked
    (`router.cli.elsewhere`). `asks_collector`: it asks the collector about what is not here.
    """
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration (default: %(default)s)")
    parser.set_defaults(run=run, of_collector=of_collector, asks_collector=asks_collector)


def limited(parser: argparse.ArgumentParser, most: int) -> None:
    """Let a command show at most so many."""
    parser.add_argument(
        "-n", "--limit", metavar="N", type=_at_least_one, default=most, help="how many at most (default: %(default)s)"
    )


def recent(parser: argparse.ArgumentParser) -> None:
    """Let a command look at the last hours only."""
    parser.add_argument("--since", metavar="DURATION", type=duration, help="only of the last 30m, 2h, 7d ...")


def _at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{shown(text, 100)} is no number from 1 to {MOST}")
    return number


def duration(text: str) -> float:
    """Seconds, written as in a configuration; for argparse."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - imported only where it is needed

    from router.fields import Duration  # noqa: PLC0415 - the same

    return _as_configured(TypeAdapter(Duration), text)


def end(text: str) -> float:
    """When something ends, in seconds since 1970, written as in a configuration; for argparse."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    from router.policy.ends import End  # noqa: PLC0415 - as above

    return _as_configured(TypeAdapter(End), text)


def _as_configured(kind: TypeAdapter[float], text: str) -> float:
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    from router.settings.wording import worded  # noqa: PLC0415 - as above

    try:
        return kind.validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(worded(error.errors()[0], float, text, ())) from error
