"""Cross-checks of names: what a rule or route names must be declared, once. Pure.

Rules:
(1) Names are taken from the plain data, so that a mistake elsewhere in an item hides no dangling name; whatever has
    the wrong type is passed over here, because the validation tells of it.
(2) A name is declared once, a registry under one of its spellings (`Registry.example:443` is `registry.example`);
    `allow` and `deny` are built in.
(3) What a rule demands (`threshold`, `required`) can be met by the signers of its verifier, or of all members of a
    combined one, where one name counts once; a static verifier looks at no signature, so nothing can be demanded of it.
(4) A destination's template, its own or its kind's, is there.
(5) What is declared and never used is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from router.errors import InvalidReferenceError
from router.hosts import canonical_registry
from router.settings.combinations import declared, looks_at_nothing, singles, used
from router.settings.plain import Item, maps, names, texts
from router.settings.problems import Finding, Path, Plain
from router.text import advice, shown
from router.verification.catalogue import BUILT_IN
from router.verification.trust_roots import PUBLIC_GOOD

_BUILT_IN = frozenset(entry.name for entry in BUILT_IN)


def repeated(data: Item) -> Iterator[Finding]:
    """Names of verifiers, of their keys, and of destinations, and hosts of registries, that stand twice."""
    yield from _repeated(data.get("verifiers"), ("verifiers",), "name")
    yield from _repeated(data.get("destinations"), ("destinations",), "name")
    yield from _repeated(data.get("registries"), ("registries",), "host", _host)
    yield from _repeated(data.get("trust_roots"), ("trust_roots",), "name")
    for index, verifier in maps(data.get("verifiers")):
        yield from _repeated(verifier.get("keys"), ("verifiers", index, "keys"), "name")
        yield from _repeated(verifier.get("keyless"), ("verifiers", index, "keyless"), "name")


def trust_roots(data: Item) -> Iterator[Finding]:
    """Verifiers that name no trust root."""
    known = [PUBLIC_GOOD, *names(data.get("trust_roots"))]
    for index, verifier in maps(data.get("verifiers")):
        name = verifier.get("trust_root")
        if isinstance(name, str) and name not in known:
            text = f"{shown(name)} names no trust root; {advice(name, known)}"
            yield Finding(("verifiers", index, "trust_root"), text)


def _host(text: str) -> str | None:
    """A registry as it is compared; None for what is none, since the validation tells of it."""
    try:
        return canonical_registry(text)
    except InvalidReferenceError:
        return None


def _repeated(
    value: Plain, path: Path, key: str, compared: Callable[[str], str | None] = str.casefold
) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, item in maps(value):
        name = item.get(key)
        if not isinstance(name, str):
            continue
        if (same := compared(name)) is None:
            continue
        if same in first:
            other = f"{path[-1]}[{first[same]}]"
            yield Finding((*path, index, key), f"{shown(name)} is the {key} of {other} already; choose another")
        else:
            first[same] = index


def rules(data: Item) -> Iterator[Finding]:
    """Rules that name no verifier, or demand what their verifier can't give."""
    known = declared(data)
    for index, rule in maps(data.get("policy")):
        here: Path = ("policy", index)
        verifier = rule.get("verifier")
        if not isinstance(verifier, str):
            continue
        if looks_at_nothing(verifier, known.get(verifier)):
            yield from _no_demands(rule.get("with"), here, verifier)
        elif verifier in known:
            members = [known[name] for name in singles(verifier, known)]
            yield from _demands(rule.get("with"), here, verifier, members)
        else:
            there = advice(verifier, sorted({*_BUILT_IN, *known}))
            yield Finding((*here, "verifier"), f"{shown(verifier)} names no verifier; {there}")


def _no_demands(demands: Plain, here: Path, verifier: str) -> Iterator[Finding]:
    for key in ("threshold", "required", "annotations"):
        if isinstance(demands, dict) and key in demands:
            text = f"the verifier {shown(verifier)} looks at no signature; drop {key}"
            yield Finding((*here, "with", key), text, at_key=True)


def _demands(demands: Plain, here: Path, verifier: str, members: Sequence[Item]) -> Iterator[Finding]:
    """What signers of all members together can never meet."""
    fields = ("keys", "keyless")
    signers = [entry for one in members for field in fields for _, entry in maps(one.get(field))]
    stores = [entry for one in members for _, entry in maps(one.get("trust_stores")) if entry.get("type") != "tsa"]
    if not isinstance(demands, dict) or not (signers or stores):
        return
    kind, kinds = ("signer", "signers") if any(one.get("keyless") for one in members) or stores else ("key", "keys")
    kind = kind if signers else "trust store that vouches for signers"
    known = list(dict.fromkeys(name for entry in (*signers, *stores) if isinstance(name := entry.get("name"), str)))
    threshold, most = demands.get("threshold"), len(known)
    if not stores and isinstance(threshold, int) and not isinstance(threshold, bool) and threshold > most:
        has = f"{most} {kinds if most > 1 else kind}"
        text = f"threshold {threshold} can never be met: {shown(verifier)} has {has}; expected at most {most}"
        yield Finding((*here, "with", "threshold"), text)
    for index, name in texts(demands.get("required")):
        if name not in known:
            text = f"{shown(name)} names no {kind} of {shown(verifier)}; {advice(name, known)}"
            yield Finding((*here, "with", "required", index), text)


def missing_template(where: Path, name: str, available: Iterable[str]) -> Finding:
    """A destination whose template is not there."""
    text = f"{shown(name)} names no template; {advice(name, sorted(available))}; or add it to templates.directory"
    return Finding(where, text)


def unused(data: Item) -> Iterator[Finding]:
    """Warnings: verifiers that no rule uses, by itself or as a member of another."""
    wanted = used(data)
    for index, verifier in maps(data.get("verifiers")):
        name = verifier.get("name")
        if isinstance(name, str) and name not in wanted:
            yield Finding(("verifiers", index, "name"), f"no rule uses the verifier {shown(name)}")
