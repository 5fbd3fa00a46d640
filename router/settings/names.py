"""Cross-checks of names: what a rule or route names must be declared, once. Pure.

Rules:
(1) Names are taken from the plain data, so that a mistake elsewhere in an item hides no dangling name; whatever has
    the wrong type is passed over here, because the validation tells of it.
(2) A name is declared once, a registry under one of its spellings (`Registry.example:443` is `registry.example`);
    `allow` and `deny` are built in.
(3) What a rule demands (`threshold`, `required`) can be met by the keys of its verifier; a static verifier looks at
    no signature, so nothing can be demanded of it.
(4) A destination's template, its own or its kind's, is there.
(5) What is declared and never used is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from router.errors import InvalidReferenceError
from router.hosts import canonical_registry
from router.settings.problems import Finding, Path, Plain, advice, inside, quoted
from router.settings.shape import TAG
from router.verification.catalogue import BUILT_IN, KINDS_WITHOUT_EVIDENCE
from router.verification.trust_roots import PUBLIC_GOOD

_BUILT_IN = frozenset(entry.name for entry in BUILT_IN)

Item = dict[str, Plain]


def maps(value: Plain) -> Iterator[tuple[int, Item]]:
    """The items of a list that are maps, with their indexes; none of anything else."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item


def texts(value: Plain) -> Iterator[tuple[int, str]]:
    """The items of a list that are texts, with their indexes; none of anything else."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield index, item


def names(value: Plain) -> list[str]:
    """The names of a list's items, as they stand."""
    return [name for _, item in maps(value) if isinstance(name := item.get("name"), str)]


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
            text = f"{quoted(name)} names no trust root; {advice(name, known)}"
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
            yield Finding((*path, index, key), f"{quoted(name)} is the {key} of {other} already; choose another")
        else:
            first[same] = index


def rules(data: Item) -> Iterator[Finding]:
    """Rules that name no verifier, or demand what their verifier can't give."""
    declared = {name: item for _, item in maps(data.get("verifiers")) if isinstance(name := item.get("name"), str)}
    for index, rule in maps(data.get("policy")):
        here: Path = ("policy", index)
        verifier = rule.get("verifier")
        if not isinstance(verifier, str):
            continue
        if verifier in _BUILT_IN or inside(declared.get(verifier), TAG) in KINDS_WITHOUT_EVIDENCE:
            yield from _no_demands(rule.get("with"), here, verifier)
        elif verifier in declared:
            yield from _demands(rule.get("with"), here, verifier, declared[verifier])
        else:
            known = advice(verifier, sorted({*_BUILT_IN, *declared}))
            yield Finding((*here, "verifier"), f"{quoted(verifier)} names no verifier; {known}")


def _no_demands(demands: Plain, here: Path, verifier: str) -> Iterator[Finding]:
    for key in ("threshold", "required", "annotations"):
        if isinstance(demands, dict) and key in demands:
            text = f"the verifier {quoted(verifier)} is static and looks at no signature; drop {key}"
            yield Finding((*here, "with", key), text, at_key=True)


def _demands(demands: Plain, here: Path, verifier: str, declared: Item) -> Iterator[Finding]:
    signers = [entry for field in ("keys", "keyless") for _, entry in maps(declared.get(field))]
    stores = [entry for _, entry in maps(declared.get("trust_stores")) if entry.get("type") != "tsa"]
    if not isinstance(demands, dict) or not (signers or stores):
        return
    kind, kinds = ("signer", "signers") if declared.get("keyless") else ("key", "keys")
    kind = kind if signers else "trust store that vouches for signers"
    threshold = demands.get("threshold")
    if signers and isinstance(threshold, int) and not isinstance(threshold, bool) and threshold > len(signers):
        has = f"{len(signers)} {kinds if len(signers) > 1 else kind}"
        text = f"threshold {threshold} can never be met: {quoted(verifier)} has {has}; expected at most {len(signers)}"
        yield Finding((*here, "with", "threshold"), text)
    known = [name for entry in signers or stores if isinstance(name := entry.get("name"), str)]
    for index, name in texts(demands.get("required")):
        if name not in known:
            text = f"{quoted(name)} names no {kind} of {quoted(verifier)}; {advice(name, known)}"
            yield Finding((*here, "with", "required", index), text)


def missing_template(where: Path, name: str, available: Iterable[str]) -> Finding:
    """A destination whose template is not there."""
    text = f"{quoted(name)} names no template; {advice(name, sorted(available))}; or add it to templates.directory"
    return Finding(where, text)


def unused(data: Item) -> Iterator[Finding]:
    """Warnings: verifiers that no rule uses."""
    wanted = {rule.get("verifier") for _, rule in maps(data.get("policy")) if isinstance(rule.get("verifier"), str)}
    for index, verifier in maps(data.get("verifiers")):
        name = verifier.get("name")
        if isinstance(name, str) and name not in wanted:
            yield Finding(("verifiers", index, "name"), f"no rule uses the verifier {quoted(name)}")
