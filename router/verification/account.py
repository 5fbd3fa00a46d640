"""What was looked at for one judgement, piece by piece: where it lay, and what it proves or why not. Pure.

For people who ask why. The gate keeps no account, and pays nothing for it. An account changes no judgement: every
piece is examined by the same scheme into the same findings, but alone, so that what the findings grew by is what the
piece is; and the search goes on when the image is proven, so that all that lies there is told. Where verifiers are
combined, each of them says what a piece is to it.

An account is as large as the evidence that is looked at, which is bounded (`router.verification.evidence`). It keeps
no payloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from router.errors import NotVerifiedError
from router.images import Digest
from router.verification.claimed import claimed_signer
from router.verification.evidence import Evidence, EvidenceFormat
from router.verification.scheme import Endorsement, Findings
from router.verification.sought import SoughtPlace


@dataclass(frozen=True, slots=True)
class Stranger:
    """A signature by nobody who is trusted."""

    claimed: str
    """Whom its certificate names, which nobody has checked; empty without one."""


@dataclass(frozen=True, slots=True)
class NoSignature:
    """Sound statements that are not of the kind that is wanted, whoever made them."""

    count: int


Meaning: TypeAlias = Endorsement | NotVerifiedError | Stranger | NoSignature
"""What a piece of evidence turned out to be; an error says what is wrong with it, lacks, or could not be fetched."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence."""

    place: SoughtPlace
    """Where it lay."""
    format: EvidenceFormat | None
    """How it is written; None where nothing was read."""
    digest: Digest | None
    """Of its blob; None where nothing was read."""
    meaning: Meaning
    verifier: str
    """To whom it means that: the rule's verifier, or a member of it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How much findings held before a piece was examined."""

    endorsements: int
    repeated: int
    lacking: int
    defects: int
    gaps: int
    strangers: int
    attestations: int
    pending: int
    """Not told: it becomes one of the others."""

    @classmethod
    def of(cls, found: Findings) -> Tally:
        """What they hold now."""
        return cls(
            len(found.endorsements),
            len(found.repeated),
            len(found.lacking),
            len(found.defects),
            len(found.gaps),
            found.strangers,
            found.attestations,
            len(found.pending),
        )

    def growth(self, found: Findings, piece: Evidence) -> list[Meaning]:
        """What has been added since, for this piece."""
        added: list[Meaning] = [
            *found.endorsements[self.endorsements :],
            *found.repeated[self.repeated :],
            *found.lacking[self.lacking :],
            *found.defects[self.defects :],
            *found.gaps[self.gaps :],
        ]
        if found.strangers > self.strangers:
            added.append(Stranger(claimed_signer(piece)))
        if found.attestations > self.attestations:
            added.append(NoSignature(found.attestations - self.attestations))
        return added


@dataclass(slots=True)
class JudgementAccount:
    """What was looked at for one judgement so far."""

    places: tuple[SoughtPlace, ...] = ()
    """Where it was looked; places without a piece hold nothing."""
    pieces: list[Piece] = field(default_factory=list)

    def by(self, verifier: str) -> Notes:
        """The notes of a verifier."""
        return Notes(self, verifier)

    @property
    def in_order(self) -> list[tuple[Piece, ...]]:
        """What each piece of evidence means, to one verifier after the other; none of it is told twice.

        By place and digest: which of them came first says nothing. Where a piece lies in several places, it stands in
        the first of them.
        """
        order = sorted(self.pieces, key=lambda one: (self.places.index(one.place), str(one.digest or ""), one.verifier))
        found: dict[object, dict[tuple[str, str], Piece]] = {}
        for one in order:
            meaning = repr(one.meaning)
            it = (one.place, meaning) if one.digest is None else (one.format, one.digest)
            found.setdefault(it, {}).setdefault((one.verifier, meaning), one)
        return [tuple(meanings.values()) for meanings in found.values()]


@dataclass(frozen=True, slots=True)
class Notes:
    """What one verifier adds to an account."""

    account: JudgementAccount
    verifier: str

    def look_in(self, places: Sequence[SoughtPlace]) -> None:
        """These are looked in, too."""
        self.account.places = tuple(dict.fromkeys((*self.account.places, *places)))

    def add(self, place: SoughtPlace, piece: Evidence, before: Tally, found: Findings) -> None:
        """A piece was examined, and findings grew by it."""
        form, digest = piece.content or (None, None)
        self.account.pieces += [
            Piece(place, form, digest, meaning, self.verifier) for meaning in before.growth(found, piece)
        ]
