"""What each side of the outbox is given of a configuration: the gate no secret of a destination, the keeper none other.

Rules:
(1) A part is a snapshot of its own, of a configuration that has been checked as a whole. Its document has the keys that
    the part's tree knows (`GateSettings`, `KeeperSettings`), at any depth, and its files and variables are those that
    are asked for when it is read: there is no list of what is secret.
(2) From a part is built without touching a file, as from the whole.
(3) What a configuration costs: its file is parsed once; it is validated once as a whole, since its mistakes are told
    together, once as each part, since only reading it shows what it asks for, and once by each process that is built
    from a part, since keys and patterns can't be sent.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter

from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.policy import Policy
from router.rendering.library import Templates
from router.settings import shape, surroundings
from router.settings.loading import Loaded
from router.settings.plain import Item
from router.settings.problems import Plain
from router.settings.sections import telling_of
from router.settings.snapshot import Reading, Snapshot
from router.settings.tree import GateSettings, KeeperSettings, Settings
from router.settings.validating import validated
from router.verification.trust_roots import NO_ROOTS, Roots

Tree = TypeVar("Tree", bound=SettingsModel)


@dataclass(frozen=True, slots=True)
class GatePart:
    """What a gate is built from."""

    settings: GateSettings
    policy: Policy = field(compare=False)
    """Its rules, compiled."""
    roots: Roots = field(default_factory=lambda: NO_ROOTS, compare=False)
    """Trusted roots as they are now, where they have been renewed."""


@dataclass(frozen=True, slots=True)
class KeeperPart:
    """What a keeper is built from."""

    settings: KeeperSettings
    templates: Mapping[str, Templates]
    """By name of their destination."""


def for_gate(whole: Loaded) -> Snapshot:
    """What a gate needs of a configuration."""
    reading, document = Reading.of(whole.snapshot), _known(whole.data, GateSettings)
    _settings(GateSettings, document, reading)
    return _of_part(reading, document)


def for_keeper(whole: Loaded) -> Snapshot:
    """What a keeper needs of a configuration."""
    reading, document = Reading.of(whole.snapshot), _known(whole.data, KeeperSettings)
    _templates(_settings(KeeperSettings, document, reading), reading)
    return _of_part(reading, document)


def gate_part(part: Snapshot) -> GatePart:
    """The gate's part, read; raises ConfigurationError where it is none."""
    settings = _settings(GateSettings, _document(part), Reading.of(part))
    return GatePart(settings, Policy(settings.policy))


def keeper_part(part: Snapshot) -> KeeperPart:
    """The keeper's part, read; raises ConfigurationError where it is none."""
    document, reading = _document(part), Reading.of(part)
    settings = _settings(KeeperSettings, document, reading)
    return KeeperPart(settings, _templates(settings, reading))


def _known(data: Item, tree: type[SettingsModel]) -> Item:
    known = _restricted(data, tree, Settings)
    return known if isinstance(known, dict) else {}


def _restricted(value: Plain, part: shape.TypeAnnotation, whole: shape.TypeAnnotation) -> Plain:
    """The value without the keys that nothing in the part is called; the whole was checked to have no others."""
    if part == whole:
        return value
    match value:
        case dict():
            model = shape.model_for(part, value)
            kept = value if model is None else {key: item for key, item in value.items() if key in shape.keys(model)}
            return {key: _inside(value, key, item, part, whole) for key, item in kept.items()}
        case list():
            return [_inside(value, index, item, part, whole) for index, item in enumerate(value)]
        case _:
            return value


def _inside(
    outer: Plain, at: str | int, inner: Plain, part: shape.TypeAnnotation, whole: shape.TypeAnnotation
) -> Plain:
    return _restricted(inner, shape.member(part, at, outer), shape.member(whole, at, outer))


def _of_part(reading: Reading, document: Item) -> Snapshot:
    snapshot = reading.snapshot()
    return dataclasses.replace(snapshot, files={**snapshot.files, snapshot.path: json.dumps(document).encode()})


def _document(part: Snapshot) -> Item:
    try:
        found = json.loads(part.files[part.path])
    except (KeyError, ValueError) as error:
        raise ConfigurationError("this is not a part of a configuration") from error
    return found if isinstance(found, dict) else {}


def _settings(tree: type[Tree], document: Item, reading: Reading) -> Tree:
    context = ReadingContext(reading.folder, reading, reading.read)
    found = validated(TypeAdapter(tree), tree, document, context)
    if isinstance(found, list):
        raise ConfigurationError("; ".join(finding.text for finding in found))
    return found


def _templates(settings: KeeperSettings, reading: Reading) -> Mapping[str, Templates]:
    templates, found = surroundings.gathered(surroundings.templates(telling_of(settings), reading))
    if found:
        raise ConfigurationError("; ".join(finding.text for finding in found))
    return templates
