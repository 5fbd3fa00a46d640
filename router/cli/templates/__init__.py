"""`gatecrier templates`: a workshop for those who write templates: what there is, what it makes, whether it holds."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, answered, forms
from router.cli.exit_codes import YES
from router.cli.pages import Page
from router.cli.parsing import command, configured, group
from router.cli.tables import table
from router.cli.templates import rendering, sending, studio, testing
from router.errors import MisusedError
from router.text import advice, lines_of, one_line, shown

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "templates",
        brief="write templates: show, render, lint, test and send them, or write them in a browser",
        examples="gatecrier templates list\ngatecrier templates render slack --event rejected-many-images",
    )
    _add_list(inner)
    _add_show(inner)
    _add_examples(inner)
    rendering.add(inner)
    testing.add(inner)
    sending.add(inner)
    studio.add(inner)


def _add_list(inner: Subcommands) -> None:
    listing = command(
        inner,
        "list",
        brief="list the templates that there are",
        text="Lists every template that a configuration has: where it comes from, what it is for, and which "
        "destinations use it. Where there is no configuration, the shipped ones alone.",
        examples="gatecrier templates list\ngatecrier templates list --config gatecrier.yaml --json",
    )
    configured(listing, _list)
    forms(listing)


def _add_show(inner: Subcommands) -> None:
    show = command(
        inner,
        "show",
        brief="print the text of a template",
        text="Prints the text of a template, the operator's before the shipped one: a beginning for one's own.",
        examples="gatecrier templates show slack > templates/team.json",
    )
    show.add_argument("template", metavar="NAME", help="as `templates list` calls it")
    configured(show, _show)


def _add_examples(inner: Subcommands) -> None:
    examples = command(
        inner,
        "examples",
        brief="list the example events, or print one",
        text="Lists the events that every template is rendered for before it is used, or prints one of them as JSON.",
        examples="gatecrier templates examples\ngatecrier templates examples incident-opened > event.json",
    )
    examples.add_argument("event", metavar="NAME", nargs="?", help="which to print")
    examples.set_defaults(run=_examples)
    forms(examples)


def _list(arguments: argparse.Namespace) -> int:
    from router.cli.templates.shelf import shelf  # noqa: PLC0415 - imported only where it is needed

    def ask() -> CommandAnswer:
        objects: list[dict[str, object]] = []
        rows = list[tuple[str, ...]]()
        for one in shelf(arguments.config).values():
            origin = "shipped" if one.is_shipped else "directory"
            rows.append((one.name, origin, ", ".join(one.purposes), ", ".join(one.used_by)))
            objects.append(
                {
                    "template": one.name,
                    "origin": origin,
                    "file": str(one.path),
                    "purposes": list(one.purposes),
                    "used_by": list(one.used_by),
                }
            )
        return CommandAnswer(objects, table(("TEMPLATE", "FROM", "FOR", "USED BY"), rows))

    return answered(arguments, ask)


def _show(arguments: argparse.Namespace) -> int:
    from router.cli.templates.shelf import wanted  # noqa: PLC0415 - as above

    page = Page()
    for line in lines_of(wanted(arguments.config, arguments.template).source):
        page.raw(one_line(line) if page.is_terminal else line)
    return YES


def _examples(arguments: argparse.Namespace) -> int:
    from router.rendering.examples import BY_NAME  # noqa: PLC0415 - as above

    every = {name: (purpose, event) for purpose, events in BY_NAME.items() for name, event in events.items()}

    def ask() -> CommandAnswer:
        if arguments.event is None:
            rows = [(name, purpose) for name, (purpose, _) in every.items()]
            objects = [{"example": name, "purpose": purpose} for name, purpose in rows]
            return CommandAnswer(objects, table(("EXAMPLE", "OF"), rows))
        if arguments.event not in every:
            raise MisusedError(f"{shown(arguments.event)} is no example; {advice(arguments.event, every)}")
        event = every[arguments.event][1]
        return CommandAnswer([event], json.dumps(event, indent=2))

    return answered(arguments, ask)
