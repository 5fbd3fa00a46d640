"""The templates that there are: those that are shipped, and those in the folder of a configuration.

Rules:
(1) The operator's folder comes first: one of its templates hides a shipped one of that name. Those of notices
    (`notices/NAME`) are hidden by none.
(2) What a template is for, and how its texts are read, is said by the destinations that use it. One that nobody uses is
    for what its name says: that of a kind, `NAME-incident` for incidents, anything else for decisions; its texts are
    data where no kind says more.
(3) Without a configuration at its usual place, there are the shipped ones alone. One that is named must be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from router.cli.parsing import DEFAULT_CONFIG
from router.destinations.catalogue import KINDS
from router.destinations.uses import WrittenDestination, uses_of
from router.errors import MisusedError, TemplateError
from router.rendering.context import Purpose
from router.rendering.library import NOTICES, SUFFIX
from router.rendering.markup import Markup
from router.rendering.shipped import notices_folder, shipped_folder
from router.rendering.template import SOURCE_LIMIT, Template
from router.settings.snapshot import read_file
from router.settings.templates_part import directory_of, told_by
from router.text import advice, shown, why_unread


@dataclass(frozen=True, slots=True)
class Entry:
    """A template that there is."""

    name: str
    path: Path
    is_shipped: bool
    purposes: Sequence[Purpose]
    """What it is for; one or more."""
    markups: Sequence[Markup]
    """How its texts are read; one or more."""
    used_by: Sequence[str] = ()
    """Names of destinations."""
    kinds: Sequence[str] = ()
    """Names of the kinds of those, or of those that it is shipped for."""
    draft: str | None = None
    """Its text where somebody is writing it; else its file has that."""

    @property
    def source(self) -> str:
        """Its text; raises TemplateError where it can't be read."""
        if self.draft is not None:
            return self.draft
        try:
            return (content := read_file(self.path, SOURCE_LIMIT)).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise TemplateError(f"template {self.name}: line {line}: {why_unread(error)}") from error
        except (OSError, ValueError) as error:
            raise TemplateError(f"template {self.name}: it can't be read: {why_unread(error)}") from error

    def parsed(self, markup: Markup, known: Mapping[str, object] | None = None) -> Template:
        """It, ready to be rendered; raises TemplateError where it can't be used."""
        return Template.parse(self.name, self.source, markup, known=known)


def config_of(path: Path) -> Path | None:
    """The configuration; None where there is none at its usual place (3)."""
    return None if path == DEFAULT_CONFIG and not path.exists() else path


def shelf(path: Path) -> Mapping[str, Entry]:
    """Every template by its name; raises ConfigurationError where the configuration can't be read."""
    config = config_of(path)
    directory = None if config is None else directory_of(config)
    uses = [] if config is None else [*_uses(config)]
    found = {f"{NOTICES}{one.stem}": one for one in _files(notices_folder())}
    found |= {one.stem: one for one in _files(shipped_folder())}
    own = {} if directory is None else {one.stem: one for one in _files(directory)}
    return {
        name: entry(name, path, [use for use in uses if use.template == name], is_shipped=name not in own)
        for name, path in sorted((found | own).items())
    }


def entry(name: str, path: Path, uses: Iterable[_Use] = (), *, is_shipped: bool = False) -> Entry:
    """The template in this file, as whoever uses it needs it, or as its name says (2)."""
    uses = list(uses)
    by_name = _Use(name, "", "incident" if name.endswith("-incident") else "decision", Markup.NONE, "")
    told = uses or [use for use in _of_kinds() if use.template == name] or [by_name]
    return Entry(
        name,
        path,
        is_shipped,
        tuple(dict.fromkeys(use.purpose for use in told)),
        tuple(dict.fromkeys(use.markup for use in told)),
        tuple(dict.fromkeys(use.destination for use in uses)),
        tuple(dict.fromkeys(use.kind for use in told if use.kind)),
    )


class _Use(NamedTuple):
    template: str
    destination: str
    purpose: Purpose
    markup: Markup
    kind: str


def _uses(config: Path) -> Iterator[_Use]:
    for destination, told in told_by(config).items():
        for use in told.uses:
            yield _Use(use.template, destination, use.purpose, told.markup, told.kind.name if told.kind else "")


def _of_kinds() -> Iterator[_Use]:
    for kind in KINDS:
        for use in uses_of(WrittenDestination(), kind, None):
            yield _Use(use.template, "", use.purpose, kind.markup, kind.name)


def wanted(path: Path, name: str) -> Entry:
    """The template of this name; raises MisusedError where there is none."""
    found = shelf(path)
    if name not in found:
        raise MisusedError(f"{shown(name)} names no template; {advice(name, found)}")
    return found[name]


def _files(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
