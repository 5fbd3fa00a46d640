"""Warnings about signers, who are counted by who they are and not by what they are called. Pure.

Rules:
(1) One signer under two names is a warning: it is no mistake while one name is being replaced by another.
(2) A threshold that such a verifier can't meet is one, too, told at the threshold: nothing passes until another signer
    is there. (More than there are names is a mistake, told without reading a key, in `names`.)
"""

from __future__ import annotations

from collections.abc import Iterator

from router.settings.problems import Finding, quoted
from router.settings.tree import Settings


def too_few(settings: Settings) -> Iterator[Finding]:
    """Thresholds that can never be met, because one signer stands under several names."""
    verifiers = {verifier.name: verifier for verifier in settings.verifiers}
    for index, rule in enumerate(settings.policy):
        threshold, verifier = rule.with_.threshold, verifiers.get(rule.verifier)
        if threshold is None or verifier is None:
            continue
        distinct = len({who for _, who in verifier.signers})
        if distinct < threshold <= len(verifier.signers):
            same = "; ".join(
                f"{quoted(name)} is the same key as {quoted(other)}" for name, other in _same(verifier.signers)
            )
            text = (
                f"threshold {threshold} can never be met: {quoted(verifier.name)} has {distinct} distinct "
                f"key{'s' if distinct > 1 else ''}, since {same}; add a key, or expect at most {distinct}"
            )
            yield Finding(("policy", index, "with", "threshold"), text)


def aliases(settings: Settings) -> Iterator[Finding]:
    """Keys that stand under another name already."""
    for index, verifier in enumerate(settings.verifiers):
        numbers = {name: number for number, (name, _) in enumerate(verifier.signers)}
        for name, other in _same(verifier.signers):
            text = f"is the same key as {quoted(other)}; a threshold counts it once"
            yield Finding(("verifiers", index, "keys", numbers[name]), text)


def _same(signers: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """(name, an earlier name of the same signer)."""
    first: dict[str, str] = {}
    for name, who in signers:
        if (other := first.setdefault(who, name)) != name:
            yield name, other
