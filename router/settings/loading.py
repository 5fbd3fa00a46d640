"""Reads a configuration file and everything that it names, and says everything that is wrong with it.

Order:
(1) The file is read and its YAML composed (`reading`). Without a document there is nothing to check further.
(2) The tree is validated as a whole (`validating`); secrets, keys, certificates and CAs are read on the way.
(3) Cross-checks look at items, each by itself (`sections`), so that an error of (2) hides no dangling name: `names`,
    `rules` and `routes` word what policy, verification and routing find.
(4) Cross-checks of what only other files can tell (`surroundings`).
(5) All problems are told together, in the order of the file; a cross-check repeats no path that the validation told of.
    There are settings only where there is no problem.
(6) Templates are parsed with the markup that they will have, and rules are compiled: from what is `Loaded` a router is
    built without touching a file, and nothing in a file can be a mistake any more.

Everything is read by one `Reading`, from the disk or from a `Snapshot`, so that what was checked is what is used.
Nothing is started, no address is bound and no name is resolved here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.policy import Policy
from router.rendering.library import Templates
from router.rendering.shipped import shipped_folder
from router.rendering.values import without_surrogates
from router.settings import (
    cautions,
    cluster,
    names,
    own_files,
    problems,
    routes,
    rules,
    signers,
    surroundings,
)
from router.settings.document import ConfigurationDocument
from router.settings.plain import Item
from router.settings.problems import ConfigurationFinding, Problem
from router.settings.reading import LARGEST, read_document
from router.settings.sections import JudgingItems, TellingItems, judging_items, our_own, telling_items
from router.settings.snapshot import Reading, Snapshot
from router.settings.tree import Settings
from router.settings.validating import validated
from router.text import SHOWN, cut, one_line, why_unread

_WHOLE = TypeAdapter(Settings)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used: whatever it names was read, checked and parsed."""

    settings: Settings
    templates: Mapping[str, Templates]
    """By name of their destination."""
    policy: Policy = field(compare=False)
    """The rules of the settings, compiled."""
    data: Item = field(repr=False)
    """The document that the settings were made of, as plain data."""
    warnings: tuple[str, ...]
    """What is allowed but probably not meant, a line each with its place."""
    notes: tuple[str, ...]
    """What could be there and is not, in the same form: worth a word to whoever checks, and none at every start."""
    snapshot: Snapshot
    """What it was read from."""
    watched: Mapping[Path, bytes | None]
    """Every file that was read or looked for, as an absolute path whose links are not followed, and its SHA-256."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A configuration that can't be used."""

    text: str
    """Every problem, a line each: FILE:LINE:COLUMN: PATH: found; expected."""
    watched: Mapping[Path, bytes | None]
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
    return checked(Reading(path, environment))


def attempt_offline(path: Path) -> Loaded | Refused:
    """What can be said of a configuration without the files that it names, and without the environment.

    Nothing can be run with it: what those hold was not read.
    """
    return checked(Reading.offline(path, shipped_folder()))


def checked(reading: Reading) -> Loaded | Refused:
    """What becomes of a configuration that is read from wherever this reads."""
    path = str(reading.path)
    if path != without_surrogates(path):  # PEP 383; what is told to other processes is UTF-8
        return Refused(
            f"{one_line(reading.name)}: its path has bytes that are not UTF-8; rename the folder or the file", {}
        )
    try:
        content = reading.read(reading.path, LARGEST)
    except (OSError, ValueError) as error:
        return Refused(f"{reading.name}: the configuration can't be read: {why_unread(error)}", reading.watched)
    document, found = read_document(content)
    if document is None:
        return Refused(problems.listing(reading.name, found), reading.watched)
    data = document.data
    context = ReadingContext(reading.folder, reading, reading.read, reading.is_offline)
    result = validated(_WHOLE, Settings, data, context)
    invalid = result if isinstance(result, list) else []
    told_of = {finding.path for finding in invalid}
    ours, telling = our_own(data, result, context), telling_items(data, result, context)
    templates, mistaken = surroundings.gathered(surroundings.templates(telling, reading))
    crossed = [
        *judging_checks(judging_items(data, result, context)),
        *telling_checks(telling, has_routes="routes" in data),
        *surroundings.listening(ours),
        *cluster.needed(ours, data),
        *surroundings.forbidden_addresses(telling),
        *surroundings.certificates(ours, telling, reading),
        *mistaken,
    ]
    crossed += own_files.overwritten(ours, telling, reading)  # last: by now everything has been read
    found += [placed(document, data, finding) for finding in invalid]
    found += [placed(document, data, finding) for finding in crossed if finding.path not in told_of]
    if found or isinstance(result, list):
        return Refused(problems.listing(reading.name, found), reading.watched)

    def lines(findings: Iterable[ConfigurationFinding]) -> tuple[str, ...]:
        ordered = sorted(placed(document, data, finding) for finding in findings)
        return tuple(one.line(reading.name) for one in ordered)

    return Loaded(
        result,
        templates,
        Policy(result.policy),
        data,
        lines(_warnings(result)),
        lines((*routes.deaf(result), *cautions.of_destinations(result))),
        reading.snapshot(),
        reading.watched,
    )


def judging_checks(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """Cross-checks of the part that images are judged by."""
    yield from names.repeated_registries(judging)
    yield from names.repeated(judging.trust_roots, "trust_roots")
    yield from names.repeated(judging.verifiers, "verifiers")
    yield from names.trust_roots(judging)
    yield from names.members(judging)
    yield from rules.checks(judging)
    yield from rules.never_winning(judging)


def telling_checks(telling: TellingItems, *, has_routes: bool) -> Iterator[ConfigurationFinding]:
    """Cross-checks of who is told of what."""
    yield from names.repeated(telling.destinations, "destinations")
    yield from routes.routes(telling, is_missing=not has_routes)


def _warnings(settings: Settings) -> Iterator[ConfigurationFinding]:
    yield from names.unused(settings)
    yield from routes.unused(settings)
    yield from routes.unheard(settings)
    yield from surroundings.private_addresses(settings)
    yield from signers.aliases(settings)
    yield from signers.too_few(settings)
    yield from cautions.unpinned(settings)
    yield from cautions.unlabelled(settings)
    yield from cautions.lax_verifiers(settings)
    yield from cautions.lax_tags(settings)
    yield from cautions.admitted_anywhere(settings)
    yield from cautions.ended_exemptions(settings, time.time())
    yield from cautions.loose_break_glass(settings)


def placed(document: ConfigurationDocument, data: Item, finding: ConfigurationFinding) -> Problem:
    """The finding with its place, and the name of the item that it is in."""
    value: problems.Plain = data
    name = ""
    for part in finding.path:
        value = problems.inside(value, part)
        if isinstance(part, int) and isinstance(found := problems.inside(value, "name"), str):
            name = f" ({cut(found, SHOWN)})"
    place = document.place(finding.path, at_key=finding.at_key)
    return Problem(place, problems.path_text(finding.path) + name, finding.text)
