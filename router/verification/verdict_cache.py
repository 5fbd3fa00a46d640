"""Remembers judgements about digests.

Rules:
(1) A key is (registry, repository, digest, content of the rule, id of the trust): whatever could change the answer is
    part of it. Tags are not (`router.verification.tags`).
(2) `verified` is kept for a day: a signature does not decay, and when the trust changes its id does; but never beyond
    the time that the proof itself names. `unsigned`, `untrusted` and `invalid` are kept for 30 seconds: somebody may
    be signing right now, and a controller that tries again and again must not make us ask as often. `unverifiable` is
    never kept: nothing was found out.
(3) Both are bounded by bytes, each by itself, so that no refusal takes a proof's place: whoever deploys can cause as
    many refusals as they like. Names and details count as they are long, for others choose them. The one unused for
    longest goes first.
"""

from __future__ import annotations

import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from router.images import Digest
from router.verdict import Verdict
from router.verification.judgement import Judgement

PROOF_BYTES = 48 * 2**20
"""Of remembered proofs: 50,000 with names of usual length."""
REFUSAL_BYTES = 8 * 2**20
"""Of remembered refusals: some 9,000."""
_ENTRY_BYTES = 470
"""What an entry costs whatever it holds: its place in the table, key, digest, judgement and times."""
_SIGNER_BYTES = 96
PROOF_SECONDS = 24 * 3600.0
REFUSAL_SECONDS = 30.0

VerdictKey: TypeAlias = tuple[str, str, Digest, str, str]
"""Registry, repository, digest, content of the rule, id of the trust."""


class CachedJudgement(NamedTuple):
    """A judgement that is remembered, marked as such."""

    judgement: Judgement
    until: float
    """By the clock of the memory."""
    cost: int
    """Bytes."""


class _Shelf:
    """Judgements of one kind, within so many bytes."""

    def __init__(self, limit: int) -> None:
        self.kept: OrderedDict[VerdictKey, CachedJudgement] = OrderedDict()
        self.size = 0
        self._limit = limit

    def put(self, key: VerdictKey, kept: CachedJudgement) -> None:
        """Keep something; what was unused for longest makes room."""
        self.drop(key)
        self.kept[key] = kept
        self.size += kept.cost
        while self.size > self._limit:
            self.size -= self.kept.popitem(last=False)[1].cost

    def drop(self, key: VerdictKey) -> None:
        """Forget something, where it is there."""
        if (kept := self.kept.pop(key, None)) is not None:
            self.size -= kept.cost


class VerdictCache:
    """Judgements that are remembered for as long as they are good."""

    def __init__(
        self,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
        *,
        proof_bytes: int = PROOF_BYTES,
        refusal_bytes: int = REFUSAL_BYTES,
    ) -> None:
        """Remember nothing yet.

        Args:
            clock: Seconds, by which ages are told.
            now: Unix time in seconds, by which proofs say until when they are good.
            proof_bytes: For proofs.
            refusal_bytes: For refusals.
        """
        self._clock = clock
        self._now = now
        self._proofs = _Shelf(proof_bytes)
        self._refusals = _Shelf(refusal_bytes)

    def __len__(self) -> int:
        return len(self._proofs.kept) + len(self._refusals.kept)

    @property
    def size(self) -> int:
        """Bytes that are remembered, about."""
        return self._proofs.size + self._refusals.size

    def get(self, key: VerdictKey) -> CachedJudgement | None:
        """What is remembered, or None."""
        shelf = self._proofs
        if (kept := shelf.kept.get(key)) is None:
            shelf = self._refusals
            if (kept := shelf.kept.get(key)) is None:
                return None
        judgement, until, _ = kept
        if until <= self._clock() or (judgement.valid_until is not None and judgement.valid_until <= self._now()):
            shelf.drop(key)
            return None
        shelf.kept.move_to_end(key)
        return kept

    def put(self, key: VerdictKey, judgement: Judgement, until: float = math.inf) -> None:
        """Remember a judgement for as long as its verdict allows; what it was before is forgotten.

        Args:
            key: What it is about.
            judgement: What is known.
            until: By the clock, when what it was made of is remembered no more.
        """
        seconds = _lifetime(judgement.verdict)
        if seconds is None:
            return
        self._proofs.drop(key)
        self._refusals.drop(key)
        shelf = self._proofs if judgement.verdict is Verdict.VERIFIED else self._refusals
        until = min(until, self._clock() + seconds)
        shelf.put(key, CachedJudgement(replace(judgement, cached=True), until, _cost(key, judgement)))


def _cost(key: VerdictKey, judgement: Judgement) -> int:
    """Bytes of memory that it takes to remember this; what all entries share, such as the ids of rules, is free."""
    registry, repository, digest, _, _ = key
    texts = [registry, repository, digest.algorithm, digest.hex, judgement.detail]
    for signer in judgement.signers:
        texts += [text for text in (signer.identity, signer.issuer) if text is not None]
    return _ENTRY_BYTES + _SIGNER_BYTES * len(judgement.signers) + sum(map(sys.getsizeof, texts))


def _lifetime(verdict: Verdict) -> float | None:
    match verdict:
        case Verdict.VERIFIED:
            return PROOF_SECONDS
        case Verdict.UNSIGNED | Verdict.UNTRUSTED | Verdict.INVALID:
            return REFUSAL_SECONDS
        case _:  # nothing was found out, or there was nothing to find out
            return None
