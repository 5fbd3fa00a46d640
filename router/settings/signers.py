"""Warnings about signers, who are counted by who they are and not by what they are called. Pure.

Rules:
(1) One signer under two names is a warning: it is no mistake while one name is being replaced by another.
(2) A threshold that such a verifier can't meet is one, too, told at the threshold: nothing passes until another signer
    is there. (More than there are names is a mistake, told without reading a key, in `names`.)
"""

from __future__ import annotations

from collections.abc import Iterator

from router.settings.problems import ConfigurationFinding
from router.settings.tree import Settings
from router.text import shown
from router.verification.settings import DeclaredSigner


def too_few(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Thresholds that can never be met, because one signer stands under several names."""
    verifiers = {verifier.name: verifier for verifier in settings.verifiers}
    for index, rule in enumerate(settings.policy):
        threshold, verifier = rule.with_.threshold, verifiers.get(rule.verifier)
        if threshold is None or verifier is None:
            continue
        distinct = len({entry.who for entry in verifier.signers})
        if distinct < threshold <= len(verifier.signers):
            same = "; ".join(
                f"{shown(entry.name)} is the same {entry.kind} as {shown(other)}"
                for entry, other in _same(verifier.signers)
            )
            kind = "signer" if len(kinds := {entry.kind for entry in verifier.signers}) > 1 else next(iter(kinds))
            plural = {"key": "keys", "identity": "identities", "signer": "signers"}[kind]
            text = (
                f"threshold {threshold} can never be met: {shown(verifier.name)} has {distinct} distinct "
                f"{plural if distinct > 1 else kind}, since {same}; add another, or expect at most {distinct}"
            )
            yield ConfigurationFinding(("policy", index, "with", "threshold"), text)


def aliases(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Signers that stand under another name already."""
    for index, verifier in enumerate(settings.verifiers):
        for entry, other in _same(verifier.signers):
            text = f"is the same {entry.kind} as {shown(other)}; a threshold counts it once"
            yield ConfigurationFinding(("verifiers", index, *entry.place), text)


def _same(signers: tuple[DeclaredSigner, ...]) -> Iterator[tuple[DeclaredSigner, str]]:
    """(signer, an earlier name of the same)."""
    first: dict[str, str] = {}
    for entry in signers:
        if (other := first.setdefault(entry.who, entry.name)) != entry.name:
            yield entry, other
