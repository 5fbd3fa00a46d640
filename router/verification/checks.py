"""What can't be meant by verifiers that name each other, and by what rules ask of them. Pure.

Rules:
(1) Members of a combination are there, each once, and look at evidence: not `allow`, `deny`, a static verifier, or
    Notation at level `skip`.
(2) No verifier is a member of itself, however far down; and there are at most two levels of combinations.
(3) What a rule demands can be met by the signers of its verifier, or of all members of a combined one, where one name
    counts once; of a verifier that looks at no signature nothing can be demanded.

A verifier whose settings are not valid is there, by its name, and nothing is known of it: nothing is held against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from router.verification.combination import LEVEL_LIMIT
from router.verification.combination_settings import CombinationSettings
from router.verification.settings import BUILT_IN_RULINGS, Demandable, SchemeSettings

Declared = Mapping[str, SchemeSettings | None]
"""The verifiers of a configuration by name; None where its settings are not valid."""


class Why(Enum):
    """Why a verifier can't be a member of a combination."""

    TWICE = auto()
    LOOKS_AT_NOTHING = auto()
    UNKNOWN = auto()
    CYCLE = auto()
    TOO_DEEP = auto()


@dataclass(frozen=True, slots=True)
class Unfit:
    """A member that can't be one."""

    index: int
    name: str
    why: Why
    way: Sequence[str] = ()
    """The names through which a cycle comes back, from the combination to itself."""


def looks_at_nothing(name: str, declared: Declared) -> bool:
    """Whether the verifier of this name says the same of every image."""
    settings = declared.get(name)
    return name in BUILT_IN_RULINGS or (settings is not None and settings.ruling is not None)


def unfit_members(combined: CombinationSettings, declared: Declared) -> Iterator[Unfit]:
    """Each member that can't be one, in order, for the first reason that there is."""
    for index, name in enumerate(combined.verifiers):
        if name in combined.verifiers[:index]:
            yield Unfit(index, name, Why.TWICE)
        elif looks_at_nothing(name, declared):
            yield Unfit(index, name, Why.LOOKS_AT_NOTHING)
        elif name not in declared:
            yield Unfit(index, name, Why.UNKNOWN)
        elif way := _way_back(name, combined.name, declared):
            yield Unfit(index, name, Why.CYCLE, (combined.name, *way))
        elif _is_deeper(name, declared, LEVEL_LIMIT - 1):
            yield Unfit(index, name, Why.TOO_DEEP)


def used(names: Iterable[str], declared: Declared) -> frozenset[str]:
    """The verifiers of these names, and all that they are combined of."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += _members(name, declared)
    return frozenset(found)


def demandable(name: str, declared: Declared) -> Demandable | None:
    """Whom a rule may ask for of this verifier; None where that is not known of it or of one of its members."""
    together = Demandable()
    for one in sorted(used([name], declared)):
        if (settings := declared.get(one)) is None:
            return None
        together = together.and_also(settings.demandable)
    return together


def _members(name: str, declared: Declared) -> Sequence[str]:
    """The members of a combination, as they stand; none of any other."""
    settings = declared.get(name)
    return settings.verifiers if isinstance(settings, CombinationSettings) else ()


def _way_back(start: str, end: str, declared: Declared) -> Sequence[str]:
    """A shortest way from one verifier to another through members; empty where there is none."""
    waiting: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while waiting:
        way = waiting.pop(0)
        if way[-1] == end:
            return way
        for name in _members(way[-1], declared):
            if name not in seen:
                seen.add(name)
                waiting.append((*way, name))
    return ()


def _is_deeper(name: str, declared: Declared, levels: int) -> bool:
    """Whether there are more levels of combinations than these from here down."""
    members = _members(name, declared)
    return bool(members) and (levels == 0 or any(_is_deeper(one, declared, levels - 1) for one in members))
