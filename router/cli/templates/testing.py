"""`gatecrier templates test`: whether templates make what their authors expect of them."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms
from router.cli.exit_codes import NO, YES
from router.cli.files import may_be_file
from router.cli.parsing import command, configured
from router.errors import MisusedError, TemplateError
from router.text import more, one_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cli.parsing import Subcommands
    from router.cli.templates.expectations import Expectation
    from router.cli.templates.shelf import Entry

_UNMET_SHOWN = 100


def add(inner: Subcommands) -> None:
    """Register the command."""
    test = command(
        inner,
        "test",
        brief="say whether templates make what is expected of them",
        text="Renders templates for the events that NAME.test.yaml beside NAME.json names, and says what is not as it "
        "is expected there; docs/templates.md says how expectations are written. All in the configuration's folder "
        "where no file is named. Exit code 1 if one is not met, or there is none.",
        examples="gatecrier templates test --config gatecrier.yaml\ngatecrier templates test templates/mine.test.yaml",
    )
    test.add_argument("files", metavar="FILE", type=Path, nargs="*", help="a file of expectations, NAME.test.yaml")
    configured(test, _test)
    forms(test)


@dataclass(frozen=True, slots=True)
class _Tested:
    """An expectation, and what of it is not met."""

    file: Path
    template: str
    expectation: Expectation
    unmet: Sequence[str]

    @property
    def lines(self) -> Iterator[str]:
        for one in [*self.unmet[:_UNMET_SHOWN], *more(len(self.unmet), _UNMET_SHOWN)]:
            yield one_line(f"{self.file}:{self.expectation.line}: {self.expectation.settings.event}: {one}")

    def as_object(self) -> Object:
        """For programs."""
        return {
            "file": str(self.file),
            "line": self.expectation.line,
            "template": self.template,
            "event": self.expectation.settings.event,
            "is_met": not self.unmet,
            "unmet": list(self.unmet),
        }


def _test(arguments: argparse.Namespace) -> int:
    from router.cli.templates.shelf import shelf  # noqa: PLC0415 - imported only where it is needed

    def ask() -> CommandAnswer:
        known = {one.path.resolve(): one for one in shelf(arguments.config).values()}
        files = arguments.files or _files(arguments.config)
        if not files:
            return CommandAnswer((), "there is no NAME.test.yaml beside a template of templates.directory", NO)
        tested = [one for file in files for one in _tested(file, known)]
        count = sum(1 for one in tested if one.unmet)
        lines = [line for one in tested for line in one.lines]
        lines.append(
            f"{len(tested)} expectation{'s' * (len(tested) != 1)}, {f'{count} not met' if count else 'all met'}"
        )
        return CommandAnswer([one.as_object() for one in tested], "\n".join(lines), NO if count else YES)

    return answered(arguments, ask)


def _files(path: Path) -> Sequence[Path]:
    from router.cli.templates.expectations import SUFFIX  # noqa: PLC0415 - as above
    from router.cli.templates.shelf import config_of  # noqa: PLC0415 - as above
    from router.settings.templates_part import directory_of  # noqa: PLC0415 - as above

    config = config_of(path)
    folder = None if config is None else directory_of(config)
    return [] if folder is None else sorted(folder.glob(f"*{SUFFIX}"))


def _tested(file: Path, known: Mapping[Path, Entry]) -> Iterator[_Tested]:
    from router.cli.templates.expectations import SUFFIX, expectations  # noqa: PLC0415 - as above
    from router.cli.templates.shelf import entry  # noqa: PLC0415 - as above

    name = file.name.removesuffix(SUFFIX)
    beside = file.with_name(f"{name}.json")
    if not may_be_file(file):
        raise MisusedError(f"there is no file {shown(str(file))}")
    if name == file.name or not may_be_file(beside):
        raise MisusedError(f"{shown(str(file))}: expected NAME{SUFFIX} beside NAME.json")
    template = known.get(beside.resolve()) or entry(name, beside)
    for expectation in expectations(file):
        yield _Tested(file, template.name, expectation, [*dict.fromkeys(_unmet(template, expectation, file.parent))])


def _unmet(template: Entry, expectation: Expectation, folder: Path) -> Iterator[str]:
    from router.cli.templates.making import event_meant, rendered  # noqa: PLC0415 - as above

    try:
        event = event_meant(expectation.settings.event, template, None, folder)
    except MisusedError as error:
        yield str(error)
        return
    for markup in template.markups:
        try:
            body = rendered(template, event, markup, "example", "webhook").body
        except TemplateError as error:
            yield str(error)
        else:
            yield from expectation.unmet(json.loads(body))
