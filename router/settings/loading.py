"""Reads a configuration file and everything that it names, and says everything that is wrong with it.

Order:
(1) The file is read and its YAML composed (`reading`). Without a document there is nothing to check further.
(2) The tree is validated as a whole (`validating`); secrets, keys and CAs are read on the way.
(3) Cross-checks look at the plain data (`names`, `routes`), so that an error of (2) hides no dangling name.
(4) Cross-checks of what is valid: rules that can never win; and of what only other files can tell (`surroundings`).
(5) All problems are told together, in the order of the file; a cross-check repeats no path that the validation told of.
    There are settings only where there is no problem.

Nothing is started, no address is bound and no name is resolved here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.policy import unreachable_rules
from router.policy.pattern import Pattern
from router.policy.settings import RuleSettings
from router.settings import cautions, names, problems, routes, signers, surroundings
from router.settings.document import Document
from router.settings.files import Files
from router.settings.problems import Finding, Problem
from router.settings.reading import LARGEST, read_document
from router.settings.tree import Settings
from router.settings.validating import validated

_WHOLE = TypeAdapter(Settings)
_RULE = TypeAdapter(RuleSettings)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used."""

    settings: Settings
    warnings: tuple[str, ...]
    """What is allowed but probably not meant, a line each with its place."""
    files: frozenset[Path]
    """Every file that was read, as an absolute path whose links are not followed: what to watch for changes."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A configuration that can't be used."""

    text: str
    """Every problem, a line each: FILE:LINE:COLUMN: PATH: found; expected."""
    files: frozenset[Path]
    """Every file that was read or looked for: mending one of them is worth another try."""


def load(path: Path, environment: Mapping[str, str]) -> Loaded:
    """The settings of a configuration file.

    Raises:
        ConfigurationError: With every problem of the file and of the files that it names.
    """
    match attempt(path, environment):
        case Loaded() as loaded:
            return loaded
        case Refused(text):
            raise ConfigurationError(text)


def attempt(path: Path, environment: Mapping[str, str]) -> Loaded | Refused:
    """The same without an exception: whoever watches the files needs to know them in both cases."""
    files = Files()
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would leave the folder that a link stands in
    try:
        content = files.read(path, LARGEST)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        return Refused(f"{path}: the configuration can't be read: {cause}", files.paths)
    document, found = read_document(content)
    if document is None:
        return Refused(problems.told(str(path), found), files.paths)
    data = document.data
    result = validated(_WHOLE, Settings, data, reading := ReadingContext(folder, environment, files.read))
    invalid = result if isinstance(result, list) else []
    told_of = {finding.path for finding in invalid}
    crossed = [finding for finding in _cross_checks(data, result, reading) if finding.path not in told_of]
    found += [_placed(document, data, finding) for finding in (*invalid, *crossed)]
    used = _used_templates(data, folder)
    if found or isinstance(result, list):
        return Refused(problems.told(str(path), found), files.paths | used)
    warnings = [_placed(document, data, finding) for finding in _warnings(data, result)]
    told = tuple(warning.told(str(path)) for warning in sorted(warnings))
    return Loaded(result, told, files.paths | used)


def _cross_checks(data: names.Item, result: Settings | list[Finding], reading: ReadingContext) -> list[Finding]:
    return [
        *names.repeated(data),
        *names.rules(data),
        *(signers.too_few(result) if isinstance(result, Settings) else ()),
        *routes.routes(data),
        *_rules_that_never_win(data, result, reading),
        *surroundings.templates_there(data, reading.folder),
        *surroundings.certificates(data, reading),
        *surroundings.listening(data),
        *surroundings.forbidden_addresses(data),
    ]


def _warnings(data: names.Item, settings: Settings) -> Iterator[Finding]:
    yield from names.unused(data)
    yield from routes.unused(data)
    yield from surroundings.private_addresses(data)
    yield from signers.aliases(settings)
    yield from cautions.unpinned(settings)
    yield from cautions.lax_tags(settings)
    yield from _admitted_anywhere(settings)


def _admitted_anywhere(settings: Settings) -> Iterator[Finding]:
    for index, rule in enumerate(settings.policy):
        if rule.on_unverifiable == "admit" and Pattern.parse(rule.pattern).registry is None:
            text = (
                "`admit` on a pattern that names no registry: whoever deploys may choose one that never answers, and "
                "its images pass; name the registry in the pattern, or write `reject`"
            )
            yield Finding(("policy", index, "on_unverifiable"), text)


def _rules_that_never_win(
    data: names.Item, result: Settings | list[Finding], reading: ReadingContext
) -> Iterator[Finding]:
    rules: dict[int, RuleSettings] = {}
    if isinstance(result, Settings):
        rules.update(enumerate(result.policy))
    else:
        for index, item in names.maps(data.get("policy")):
            rule = validated(_RULE, RuleSettings, item, reading)
            if not isinstance(rule, list):
                rules[index] = rule
    numbers = list(rules)
    for loser, winner in unreachable_rules(list(rules.values())):
        pattern = problems.quoted(rules[numbers[winner]].pattern)
        text = f"this rule can never win: policy[{numbers[winner]}] ({pattern}) takes all that it matches; drop one"
        yield Finding(("policy", numbers[loser]), text)


def _used_templates(data: names.Item, folder: Path) -> frozenset[Path]:
    available = surroundings.template_files(data, folder)
    used = (available[name] for _, name in surroundings.used_templates(data) if name in available)
    return frozenset(Path(os.path.abspath(path)) for path in used)  # noqa: PTH100 - links are watched, not followed


def _placed(document: Document, data: names.Item, finding: Finding) -> Problem:
    """The finding with its place, and the name of the item that it is in."""
    value: problems.Plain = data
    name = ""
    for part in finding.path:
        value = problems.inside(value, part)
        if isinstance(part, int) and isinstance(found := problems.inside(value, "name"), str):
            name = f" ({found[: problems.TEXT_SHOWN]})"
    place = document.place(finding.path, at_key=finding.at_key)
    return Problem(place, problems.path_text(finding.path) + name, finding.text)
