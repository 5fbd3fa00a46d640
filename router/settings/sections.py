"""What cross-checks look at: every item of the configuration as a typed value, by itself. Pure.

Rules:
(1) Where the whole is valid, the items are those of its settings.
(2) Elsewhere each item is validated alone, so that a mistake in one hides nothing in another. Files and variables are
    not looked at, and a kind that is nearly known is taken for that. From an item that is not valid then, what is wrong
    is left out, key by key, as long as the rest is one: what it says besides is checked in the same run. What can't be
    mended so has no value, but still its name, so that whoever names it is not told that it is not there.
(3) What is `whole` may be held against others; what something was left out of may not: that may be what they want.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter

from router.admission.settings import WebhookSettings
from router.destinations.catalogue import DestinationSettings
from router.fields import ListenAddress, ReadingContext
from router.outbox.settings import OutboxSettings
from router.policy.settings import RuleSettings
from router.registry.settings import RegistrySettings
from router.rendering.settings import TemplatesSettings
from router.routing import IncidentSettings, RouteSettings, TimeIntervalSettings
from router.server.settings import OperationsSettings
from router.settings.plain import Item as Data
from router.settings.plain import maps
from router.settings.problems import ConfigurationFinding, Plain
from router.settings.problems import Path as Place
from router.settings.shape import TypeAnnotation
from router.settings.tree import JudgingSettings, KeeperSettings, Settings
from router.settings.validating import Mistakes, valid_or_mistakes, without
from router.verification.catalogue import VerifierSettings
from router.verification.trust_roots import TrustRootSettings

T = TypeVar("T")

_LATER = ConfigDict(defer_build=True)
"""Of unions, which know it not by themselves: they are needed where something is wrong, and cost 5 MiB."""
_WEBHOOK = TypeAdapter(WebhookSettings)
_OPERATIONS = TypeAdapter(OperationsSettings)
_OUTBOX = TypeAdapter(OutboxSettings)
_INCIDENTS = TypeAdapter(IncidentSettings)
_REGISTRY = TypeAdapter(RegistrySettings)
_TRUST_ROOT = TypeAdapter(TrustRootSettings)
_VERIFIER: TypeAdapter[VerifierSettings] = TypeAdapter(VerifierSettings, config=_LATER)
_RULE = TypeAdapter(RuleSettings)
_DESTINATION: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings, config=_LATER)
_INTERVAL = TypeAdapter(TimeIntervalSettings)
_TEMPLATES = TypeAdapter(TemplatesSettings)
_ROUTE = TypeAdapter(RouteSettings)
_ROUNDS = 8
"""How often what is wrong is left out of an item: what was hidden by one mistake shows at the next look."""


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """An item of a list."""

    index: int
    name: str | None
    """What others call it; None where it has no name."""
    value: T | None
    """What it says, as far as that is valid; None where nothing is."""
    is_whole: bool
    """Whether nothing was left out (3)."""

    @property
    def sound(self) -> T | None:
        """What it says, if all of that is valid."""
        return self.value if self.is_whole else None


@dataclass(frozen=True, slots=True)
class RoutesSection:
    """The routes."""

    root: RouteSettings
    left_out: frozenset[Place]
    """Where something was left out, from the root of the tree."""

    def is_whole(self, place: Place) -> bool:
        """Whether nothing was left out of the route that stands there, or of one beneath it."""
        return not any(path[: len(place)] == place for path in self.left_out)


Items = Sequence[Item[T]]


@dataclass(frozen=True, slots=True)
class JudgingItems:
    """What images are judged by."""

    registries: Items[RegistrySettings]
    trust_roots: Items[TrustRootSettings]
    verifiers: Items[VerifierSettings]
    rules: Items[RuleSettings]


@dataclass(frozen=True, slots=True)
class TellingItems:
    """Who is told, and of what."""

    destinations: Items[DestinationSettings]
    time_intervals: Items[TimeIntervalSettings]
    routes: RoutesSection | None
    """None where nothing stands there, or nothing that is a tree."""
    templates: Path | None
    """The operator's folder of templates."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Where we listen, and what we keep; None where nothing valid says it."""

    webhook: WebhookSettings | None
    operations: OperationsSettings | None
    outbox: OutboxSettings | None
    collector: ListenAddress | None
    """Where the replica that makes incidents listens for the others."""


def our_own(data: Data, result: Settings | list[ConfigurationFinding], reading: ReadingContext) -> Ours:
    """Where we listen, and what we keep."""
    if isinstance(result, Settings):
        return Ours(result.webhook, result.operations, result.outbox, result.incidents.collector)
    incidents = _left(_INCIDENTS, IncidentSettings, data.get("incidents"), reading).value
    return Ours(
        _left(_WEBHOOK, WebhookSettings, data.get("webhook"), reading).value,
        _left(_OPERATIONS, OperationsSettings, data.get("operations"), reading).value,
        _left(_OUTBOX, OutboxSettings, data.get("outbox"), reading).value,
        None if incidents is None else incidents.collector,
    )


def judging_items(
    data: Data, result: JudgingSettings | list[ConfigurationFinding], reading: ReadingContext
) -> JudgingItems:
    """The items that images are judged by, called as they are written."""
    registries, roots, verifiers = (data.get(key) for key in ("registries", "trust_roots", "verifiers"))
    if isinstance(result, JudgingSettings):
        return JudgingItems(
            _whole(result.registries, _called(registries, "host")),
            _whole(result.trust_roots, _called(roots)),
            _whole(result.verifiers, _called(verifiers)),
            _whole(result.policy, [None] * len(result.policy)),
        )
    return JudgingItems(
        _each(_REGISTRY, RegistrySettings, registries, reading, "host"),
        _each(_TRUST_ROOT, TrustRootSettings, roots, reading),
        _each(_VERIFIER, VerifierSettings, verifiers, reading),
        _each(_RULE, RuleSettings, data.get("policy"), reading),
    )


def telling_of(settings: KeeperSettings) -> TellingItems:
    """The same of settings that are valid."""
    tree = RoutesSection(settings.routes, frozenset()) if "routes" in settings.model_fields_set else None
    directory = settings.templates.directory
    destinations, intervals = settings.destinations, settings.time_intervals
    return TellingItems(
        _whole(destinations, [one.name for one in destinations]),
        _whole(intervals, [one.name for one in intervals]),
        tree,
        directory,
    )


def telling_items(
    data: Data, result: KeeperSettings | list[ConfigurationFinding], reading: ReadingContext
) -> TellingItems:
    """The items that say who is told of what."""
    if isinstance(result, KeeperSettings):
        return telling_of(result)
    folder = _left(_TEMPLATES, TemplatesSettings, data.get("templates", {}), reading).value
    tree = _left(_ROUTE, RouteSettings, data.get("routes"), reading)
    return TellingItems(
        _each(_DESTINATION, DestinationSettings, data.get("destinations"), reading),
        _each(_INTERVAL, TimeIntervalSettings, data.get("time_intervals"), reading),
        None if tree.value is None else RoutesSection(tree.value, tree.left_out),
        None if folder is None else folder.directory,
    )


def names(items: Items[T]) -> list[str]:
    """What they are called."""
    return [item.name for item in items if item.name is not None]


def _whole(values: Sequence[T], called: Sequence[str | None]) -> list[Item[T]]:
    pairs = enumerate(zip(values, called, strict=True))
    return [Item(index, name, value, is_whole=True) for index, (value, name) in pairs]


def _each(
    adapter: TypeAdapter[T], annotation: TypeAnnotation, data: Plain, reading: ReadingContext, key: str = "name"
) -> list[Item[T]]:
    found = [(index, _left(adapter, annotation, item, reading)) for index, item in maps(data)]
    return [
        Item(index, name, left.value, is_whole=left.value is not None and not left.left_out)
        for (index, left), name in zip(found, _called(data, key), strict=True)
    ]


def _called(data: Plain, key: str = "name") -> list[str | None]:
    """What the items of a list are called there; None for one that has no name."""
    return [name if isinstance(name := item.get(key), str) else None for _, item in maps(data)]


@dataclass(frozen=True, slots=True)
class _Left(Generic[T]):
    """What is left of a value without what is wrong in it."""

    value: T | None
    """None where nothing is."""
    left_out: frozenset[Place] = frozenset()


def _left(adapter: TypeAdapter[T], annotation: TypeAnnotation, data: Plain, reading: ReadingContext) -> _Left[T]:
    left_out, reading = set[Place](), replace(reading, is_offline=True)
    for _ in range(_ROUNDS):
        found = valid_or_mistakes(adapter, annotation, data, reading)
        if not isinstance(found, Mistakes):
            return _Left(found, frozenset(left_out))
        places = {_key_of(path) for path in found.places}
        if () in places:
            break
        left_out |= places
        for path in places:
            data = without(data, path)
    return _Left(None)


def _key_of(path: Place) -> Place:
    """The key that a mistake is beneath: items of a list are not left out, since the others would change places."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path
