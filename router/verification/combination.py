"""What verifiers that are combined prove together. Pure.

Rules:
(1) Verdicts are ordered by how near they are to proof: unsigned, invalid, untrusted, unverifiable, verified. All of
    some members prove what the farthest of them does, any of them what the nearest does. So a definite failure wins
    over `unverifiable` where all are asked for; and where any would do, what could not be checked might have been the
    one. Of equals the first in the configuration is told; of what could not be checked, what a rule tolerates least.
(2) Each member is asked for nothing but one of its signers. What a rule demands (`with`) is asked of the union: the
    signers of all members that are proven, each counted by who it is, whichever members it has signed for.
(3) Where the union lacks something, what could not be fetched or is broken for any member is told first, as where a
    verifier stands alone: it might have been what is lacking.
(4) A combination of one member is that member.
(5) What it trusts is what its members trust, and how they are combined: any of that changes the id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from router.errors import InvalidSignatureError, NotVerifiedError, UnverifiableError
from router.images import Digest
from router.text import shortened
from router.verdict import Verdict
from router.verification.judgement import Judgement, refused, ruled
from router.verification.scheme import AnyScheme, Demands, Findings, Signer, Verified
from router.verification.trust import Trust

MEMBER_LIMIT = 8
"""Members of one combination."""
LEVEL_LIMIT = 2
"""Combinations within each other: the inner ones have single verifiers as members."""

_FARTHEST_FIRST = (Verdict.UNSIGNED, Verdict.INVALID, Verdict.UNTRUSTED, Verdict.UNVERIFIABLE, Verdict.VERIFIED)


class Quantifier(StrEnum):
    """How many of the members must prove the image."""

    ALL_OF = "all_of"
    ANY_OF = "any_of"


@dataclass(frozen=True, slots=True)
class Single:
    """A verifier that looks at evidence itself."""

    name: str
    scheme: AnyScheme


@dataclass(frozen=True, slots=True)
class Combination:
    """Verifiers that are one together."""

    name: str
    kind: Quantifier
    members: tuple[CombinationMember, ...]

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("without members nothing could be proven, and nothing may pass")

    @property
    def singles(self) -> Mapping[str, AnyScheme]:
        """The schemes of all that look at evidence, by name; each once, however often it is a member."""
        found: dict[str, AnyScheme] = {}
        for member in self.members:
            found |= member.singles if isinstance(member, Combination) else {member.name: member.scheme}
        return found

    @property
    def trust(self) -> Trust[Mapping[str, Trust[object]]]:
        """Whom its members trust, by name; it ends for each of them by itself."""
        trusts = {name: scheme.trust for name, scheme in self.singles.items()}
        content = repr((self._structure, [(name, trust.id) for name, trust in trusts.items()]))
        return Trust(hashlib.sha256(content.encode()).hexdigest(), trusts)

    @property
    def _structure(self) -> tuple[object, ...]:
        parts = (part._structure if isinstance(part, Combination) else part.name for part in self.members)  # noqa: SLF001 - its own kind
        return self.kind.value, *parts

    def judged(self, judgements: Mapping[str, Judgement]) -> Judgement:
        """What judgements about all singles amount to, nothing being demanded of the union."""
        parts = [
            (part.name, part.judged(judgements) if isinstance(part, Combination) else judgements[part.name])
            for part in self.members
        ]
        ranks = [_FARTHEST_FIRST.index(part.verdict) for _, part in parts]
        rank = min(ranks) if self.kind is Quantifier.ALL_OF else max(ranks)
        chosen = [part for part, its in zip(parts, ranks, strict=True) if its == rank]
        if _FARTHEST_FIRST[rank] is Verdict.VERIFIED:
            return _proven([part for _, part in chosen])
        name, told = min(chosen, key=lambda part: _excuse(part[1]))
        if len(parts) == 1:
            return told
        if self.kind is Quantifier.ALL_OF:
            return replace(told, detail=f'"{name}": {shortened(told.detail)}')
        details = "; ".join(f'"{name}": {shortened(part.detail)}' for name, part in parts)
        return replace(told, detail=f"proven by none of several: {details}")

    def proving(self, judgements: Mapping[str, Judgement]) -> Iterator[str]:
        """The singles whose signers are those of the proof; none where there is no proof."""
        if self.judged(judgements).verdict is Verdict.VERIFIED:
            for part in self.members:
                if isinstance(part, Combination):
                    yield from part.proving(judgements)
                elif judgements[part.name].verdict is Verdict.VERIFIED:
                    yield part.name


CombinationMember: TypeAlias = Single | Combination


@dataclass(frozen=True, slots=True)
class CombinationCase:
    """What is to be proven of one image by a combination."""

    combination: Combination
    trust: Trust[Mapping[str, Trust[object]]]
    demands: Demands
    digest: Digest
    now: float
    """When it was opened, in Unix time."""

    @property
    def demands_nothing(self) -> bool:
        """Whether any signer of the members will do."""
        asks = self.demands
        return (asks.threshold or 1) == 1 and not asks.required and not asks.annotations

    def judged(self, judgements: Mapping[str, Judgement], found: Mapping[str, Findings]) -> Judgement:
        """What the singles prove together; `found` is what was found for each, needed where anything is demanded."""
        together = self.combination.judged(judgements)
        if self.demands_nothing or together.verdict is not Verdict.VERIFIED:
            return together
        names = set(self.combination.proving(judgements))
        ends = [self.trust.material[name].valid_until for name in names]
        trust = Trust(self.trust.id, None, min((end for end in ends if end is not None), default=None))
        endorsements = tuple(entry for name in sorted(names) for entry in found[name].endorsements)
        try:
            return ruled(Verified(self.digest, endorsements, self.demands, trust, self.now), self.digest)
        except NotVerifiedError as error:
            return min([refused(error, self.digest), *self._obstacles(found)], key=_precedence)

    def _obstacles(self, found: Mapping[str, Findings]) -> Iterator[Judgement]:
        """What may hide what the union lacks (3)."""
        for name, scheme in self.combination.singles.items():
            try:
                scheme.prove(found[name], self.demands, self.trust.material[name], self.now)
            except (UnverifiableError, InvalidSignatureError) as error:
                yield refused(error, self.digest)
            except NotVerifiedError:
                continue


def _precedence(obstacle: Judgement) -> tuple[int, int]:
    order = (Verdict.UNVERIFIABLE, Verdict.INVALID, Verdict.UNTRUSTED)
    return order.index(obstacle.verdict), _excuse(obstacle)


def _excuse(judgement: Judgement) -> int:
    """How much a rule may tolerate it; 0 where it may not."""
    if judgement.is_timeout:
        return 1
    return 2 if judgement.is_registrys_doing else 0


def _proven(parts: Sequence[Judgement]) -> Judgement:
    by_who: dict[object, Signer] = {}
    for signer in (signer for part in parts for signer in part.signers):
        by_who.setdefault(signer.who, signer)
    signers = tuple(sorted(by_who.values(), key=lambda signer: signer.name))
    names = ", ".join(f'"{signer.name}"' for signer in signers)
    ends = [part.valid_until for part in parts if part.valid_until is not None]
    return replace(
        parts[0],
        detail=f"signed by {names}",
        signers=signers,
        cached=all(part.cached for part in parts),
        valid_until=min(ends, default=None),
    )
