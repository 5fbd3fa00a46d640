"""`gatecrier completion`: what a shell must be told to complete our commands. The library is argcomplete.

The shell asks the program itself for what comes next (`_ARGCOMPLETE` in the environment), so that nothing printed here
is out of date after an update.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from router.cli.exit_codes import YES
from router.cli.parsing import command

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands

_EXAMPLES = """
eval "$(gatecrier completion bash)"
eval "$(gatecrier completion zsh)"
gatecrier completion fish | source
"""
SHELLS = ("bash", "zsh", "fish")
_IS_ASKED = "_ARGCOMPLETE"


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "completion",
        brief="print what a shell needs to complete commands",
        text="Prints a script that lets your shell complete the commands and options of gatecrier. Load it from the "
        "shell's start-up file, in zsh after `compinit`, or put it where the shell looks for completions.",
        examples=_EXAMPLES,
    )
    parser.add_argument("shell", choices=SHELLS, help="whose script")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - imported only where it is needed

    print(shellcode(["gatecrier"], shell=arguments.shell))
    return YES


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end, if it is the shell that asks."""
    if _IS_ASKED in os.environ:
        import argcomplete  # noqa: PLC0415 - as above

        argcomplete.autocomplete(parser)
