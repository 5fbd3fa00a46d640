"""Cross-checks of names, in words: what is named must be declared, once. Pure.

Rules:
(1) A name is declared once, a registry under one of its spellings (`Registry.example:443` is `registry.example`);
    `allow` and `deny` are built in.
(2) A verifier names a trust root; a combination names members that can be ones (`router.verification.checks`).
(3) What is declared and never used is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from router.errors import InvalidReferenceError
from router.hosts import canonical_registry
from router.settings.problems import ConfigurationFinding, Path
from router.settings.sections import Items, JudgingItems, T, names
from router.settings.tree import Settings
from router.text import advice, shown
from router.verification.catalogue import BUILT_IN
from router.verification.checks import (
    Declared,
    Unfit,
    Why,
    looks_at_nothing,
    unfit_members,
    used,
)
from router.verification.combination import LEVEL_LIMIT
from router.verification.combination_settings import CombinationSettings
from router.verification.trust_roots import PUBLIC_GOOD

_BUILT_IN = frozenset(entry.name for entry in BUILT_IN)


def repeated(items: Items[T], section: str, key: str = "name") -> Iterator[ConfigurationFinding]:
    """Items of a section whose name another one has already."""
    yield from _repeated(items, section, key, str.casefold)


def repeated_registries(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """The same of hosts, however they are spelt."""
    yield from _repeated(judging.registries, "registries", "host", _host)


def _host(text: str) -> str | None:
    """A registry as it is compared; None for what is none, since the validation tells of it."""
    try:
        return canonical_registry(text)
    except InvalidReferenceError:
        return None


def _repeated(
    items: Items[T], section: str, key: str, compared: Callable[[str], str | None]
) -> Iterator[ConfigurationFinding]:
    first: dict[str, int] = {}
    for item in items:
        if item.name is None or (same := compared(item.name)) is None:
            continue
        if (other := first.setdefault(same, item.index)) != item.index:
            text = f"{shown(item.name)} is the {key} of {section}[{other}] already; choose another"
            yield ConfigurationFinding((section, item.index, key), text)


def declared_in(judging: JudgingItems) -> Declared:
    """The verifiers by name, as far as they may be held against others."""
    return {item.name: item.sound for item in judging.verifiers if item.name is not None}


def trust_roots(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """Verifiers that name no trust root."""
    known = [PUBLIC_GOOD, *names(judging.trust_roots)]
    for item in judging.verifiers:
        name = None if item.value is None else item.value.named_root
        if name is not None and name not in known:
            text = f"{shown(name)} names no trust root; {advice(name, known)}"
            yield ConfigurationFinding(("verifiers", item.index, "trust_root"), text)


def members(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """Members of combinations that can't be ones."""
    declared = declared_in(judging)
    for item in judging.verifiers:
        if isinstance(item.value, CombinationSettings):
            for unfit in unfit_members(item.value, declared):
                path: Path = ("verifiers", item.index, "verifiers", unfit.index)
                yield ConfigurationFinding(path, _in_words(unfit, declared))


def _in_words(unfit: Unfit, declared: Declared) -> str:
    name = shown(unfit.name)
    match unfit.why:
        case Why.TWICE:
            return f"{name} stands twice; a member counts once"
        case Why.LOOKS_AT_NOTHING:
            return f"{name} looks at no signature and can't be a member; name it in a rule of its own"
        case Why.UNKNOWN:
            there = sorted(one for one in declared if not looks_at_nothing(one, declared))
            return f"{name} names no verifier; {advice(unfit.name, there)}"
        case Why.CYCLE:
            return f"is a cycle: {' -> '.join(map(shown, unfit.way))}; leave one of them out"
        case Why.TOO_DEEP:
            limit = f"expected at most {LEVEL_LIMIT} levels: name the single verifiers instead"
            return f"{name} is combined of combinations itself; {limit}"


def unused(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Warnings: verifiers that no rule uses, by itself or as a member of another."""
    declared: Declared = {verifier.name: verifier for verifier in settings.verifiers}
    wanted = used((rule.verifier for rule in settings.policy), declared)
    for index, verifier in enumerate(settings.verifiers):
        if verifier.name not in wanted:
            yield ConfigurationFinding(
                ("verifiers", index, "name"), f"no rule uses the verifier {shown(verifier.name)}"
            )
