"""`gatecrier templates render` and `lint`: what a template makes of an event, and whether it does of every one."""

from __future__ import annotations

import argparse
import sys
from difflib import unified_diff
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms
from router.cli.exit_codes import NO, YES
from router.cli.pages import Page
from router.cli.parsing import command, configured
from router.errors import TemplateError
from router.text import lines_of, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.cli.parsing import Subcommands
    from router.cli.templates.flaws import TemplateFlaw
    from router.cli.templates.shelf import Entry


def add(inner: Subcommands) -> None:
    """Register the commands."""
    render = command(
        inner,
        "render",
        brief="print what a template makes of an event",
        text="Prints what a template makes of an event: an example, one in a file, or a stored one; the first example "
        "where none is named. With a destination it is what would be sent there, in the service's own form, without "
        "secrets. Size, limits, and what was cut are told on standard error. Sends nothing. Exit code 1 if the "
        "template fails, or if --diff finds a difference.",
        examples="gatecrier templates render slack --event rejected-hostile-names\n"
        "gatecrier templates render mine --destination soc --diff slack",
    )
    render.add_argument("template", metavar="NAME", help="as `templates list` calls it")
    render.add_argument("--event", metavar="FILE|ID|EXAMPLE", help="what is rendered")
    render.add_argument("--destination", metavar="D", help="who would be sent it")
    render.add_argument("--diff", metavar="OTHER", help="show what differs from what this template makes")
    configured(render, _render)
    lint = command(
        inner,
        "lint",
        brief="say for which example events a template fails",
        text="Renders templates for every example event, as `config check` does with those that are used, and says "
        "where they fail and for which. All that there are where none is named. Exit code 1 if one fails.",
        examples="gatecrier templates lint\ngatecrier templates lint mine --config gatecrier.yaml",
    )
    lint.add_argument("templates", metavar="NAME", nargs="*", help="as `templates list` calls them")
    configured(lint, _lint)
    forms(lint)


def _render(arguments: argparse.Namespace) -> int:
    from router.cli.templates.making import event_meant, made, pretty  # noqa: PLC0415 - imported only where it is needed
    from router.cli.templates.shelf import config_of, wanted  # noqa: PLC0415 - the same

    destination = None if arguments.destination is None else (arguments.config, arguments.destination)
    template = wanted(arguments.config, arguments.template)
    others = [] if arguments.diff is None else [wanted(arguments.config, arguments.diff)]
    event = event_meant(arguments.event, template, config_of(arguments.config))
    try:
        bodies = [made(one, event, destination) for one in (*others, template)]
    except TemplateError as error:
        print(one_line(str(error)), file=sys.stderr)
        return NO
    for note in bodies[-1].notes:
        print(one_line(note), file=sys.stderr)
    if not others:
        _print(lines_of(bodies[0].body.decode(errors="replace")))
        return YES
    before, after = ([*pretty(one.body)] for one in bodies)
    differences = [*unified_diff(before, after, others[0].name, template.name, lineterm="")]
    _print(differences)
    return NO if differences else YES


def _print(lines: Sequence[str]) -> None:
    page = Page()
    for line in lines:
        page.raw(one_line(line) if page.is_terminal else line)


def _lint(arguments: argparse.Namespace) -> int:
    from router.cli.templates.flaws import flaws_of  # noqa: PLC0415 - as above
    from router.cli.templates.shelf import shelf, wanted  # noqa: PLC0415 - as above

    def ask() -> CommandAnswer:
        named = [wanted(arguments.config, name) for name in arguments.templates]
        found = [(one, [*dict.fromkeys(flaws_of(one))]) for one in named or shelf(arguments.config).values()]
        count = sum(1 for _, flaws in found if flaws)
        lines = [_line(one, flaw) for one, flaws in found for flaw in flaws]
        lines.append(
            f"{len(found)} template{'s' * (len(found) != 1)}, {f'{count} with flaws' if count else 'all sound'}"
        )
        return CommandAnswer([_object(*one) for one in found], "\n".join(lines), NO if count else YES)

    return answered(arguments, ask)


def _line(template: Entry, flaw: TemplateFlaw) -> str:
    place = template.path if flaw.line is None else f"{template.path}:{flaw.line}"
    whose = f"for {listed(flaw.examples)}" if flaw.examples else f"for every {flaw.purpose}"
    return one_line(f"{place}: {flaw.text} ({whose})")


def _object(template: Entry, flaws: Sequence[TemplateFlaw]) -> Object:
    return {
        "template": template.name,
        "file": str(template.path),
        "is_sound": not flaws,
        "flaws": [
            {"purpose": one.purpose, "line": one.line, "text": one.text, "examples": list(one.examples)}
            for one in flaws
        ],
    }
