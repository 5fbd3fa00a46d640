"""Cross-checks of signers, who are counted by who they are and not by what they are called. Pure.

Rules:
(1) A threshold that more distinct signers would have to meet than the verifier has is a mistake, told at the threshold:
    nothing could ever pass. (That there are too few names is told without reading a key, in `names`.)
(2) One signer under two names is a warning.
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
