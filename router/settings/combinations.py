"""Cross-checks of verifiers that are combined of others, and what they are combined of. Pure.

Rules:
(1) Members are there, each once, and look at evidence: not `allow`, `deny`, a static verifier, or Notation at level
    `skip`.
(2) No verifier is a member of itself, however far down; and there are at most two levels of combinations.
(3) As in `router.settings.names`, the plain data is looked at, so that a mistake elsewhere hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.settings.plain import Item, maps, texts
from router.settings.problems import Finding, Path, Plain, inside
from router.settings.shape import TAG
from router.text import advice, shown
from router.verification.catalogue import BUILT_IN, COMBINING_KINDS, KINDS_WITHOUT_EVIDENCE
from router.verification.combination import LEVEL_LIMIT

_BUILT_IN = frozenset(entry.name for entry in BUILT_IN)


def declared(data: Item) -> Mapping[str, Item]:
    """The verifiers of the configuration by name."""
    return {name: item for _, item in maps(data.get("verifiers")) if isinstance(name := item.get("name"), str)}


def is_combined(verifier: Plain) -> bool:
    """Whether it is a combination of others."""
    return inside(verifier, TAG) in COMBINING_KINDS


def looks_at_nothing(name: str, verifier: Plain) -> bool:
    """Whether the verifier of this name says the same of every image."""
    is_static = name in _BUILT_IN or inside(verifier, TAG) in KINDS_WITHOUT_EVIDENCE
    return is_static or (inside(verifier, TAG) == "notation" and inside(verifier, "level") == "skip")


def singles(name: str, known: Mapping[str, Item]) -> list[str]:
    """The names of the single verifiers that this one is combined of, however far down; its own where it is single."""
    seen: list[str] = []
    waiting = [name]
    while waiting:
        if (one := waiting.pop(0)) not in seen:
            seen.append(one)
            waiting += _members(known.get(one))
    return [one for one in seen if one in known and not is_combined(known[one])]


def combined(data: Item) -> Iterator[Finding]:
    """Members that can't be ones."""
    known = declared(data)
    for index, verifier in maps(data.get("verifiers")):
        if not is_combined(verifier):
            continue
        seen: set[str] = set()
        for position, name in texts(verifier.get("verifiers")):
            here: Path = ("verifiers", index, "verifiers", position)
            if text := _mistake(verifier, name, known, seen):
                yield Finding(here, text)
            seen.add(name)


def used(data: Item) -> set[str]:
    """The names of all verifiers that rules use, by themselves or as members of others."""
    known = declared(data)
    found: set[str] = set()
    waiting = [name for _, rule in maps(data.get("policy")) if isinstance(name := rule.get("verifier"), str)]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += _members(known.get(name))
    return found


def _mistake(verifier: Item, name: str, known: Mapping[str, Item], seen: set[str]) -> str:
    """What is wrong with this member; empty where nothing is."""
    if name in seen:
        return f"{shown(name)} stands twice; a member counts once"
    if looks_at_nothing(name, known.get(name)):
        return f"{shown(name)} looks at no signature and can't be a member; name it in a rule of its own"
    if name not in known:
        there = sorted(entry for entry, item in known.items() if not looks_at_nothing(entry, item))
        return f"{shown(name)} names no verifier; {advice(name, there)}"
    own = verifier.get("name")
    if isinstance(own, str) and (path := _path_back(name, own, known)):
        cycle = " -> ".join(shown(step) for step in (own, *path))
        return f"is a cycle: {cycle}; leave one of them out"
    if _is_deeper(name, known, LEVEL_LIMIT - 1):
        return (
            f"{shown(name)} is combined of combinations itself; expected at most {LEVEL_LIMIT} levels: "
            "name the single verifiers instead"
        )
    return ""


def _members(verifier: Plain) -> list[str]:
    """The members of a combination, as they stand; none of any other."""
    return [name for _, name in texts(inside(verifier, "verifiers"))] if is_combined(verifier) else []


def _path_back(start: str, end: str, known: Mapping[str, Item]) -> tuple[str, ...]:
    """A shortest way from one verifier to another through members; empty where there is none."""
    waiting: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while waiting:
        path = waiting.pop(0)
        if path[-1] == end:
            return path
        for name in _members(known.get(path[-1])):
            if name not in seen:
                seen.add(name)
                waiting.append((*path, name))
    return ()


def _is_deeper(name: str, known: Mapping[str, Item], levels: int) -> bool:
    """Whether there are more levels of combinations than these from here down."""
    if not is_combined(known.get(name)):
        return False
    return levels == 0 or any(_is_deeper(member, known, levels - 1) for member in _members(known.get(name)))
