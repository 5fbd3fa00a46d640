"""What every scheme is: evidence is examined piece by piece, and what was found makes a ruling. No I/O. Pure.

Rules:
(1) A ruling is one of `Verified`, `Exempt`, `Denied`; whatever else there is to say is a NotVerifiedError, so that a
    careless caller refuses.
(2) `Verified` can't be had without signatures: it is made of endorsements, an endorsement holds `SignedBytes`, and
    those check the signature when they are made. Endorsements about another digest, none at all, fewer distinct
    signers than the rule asks for, or a trust that has ended make no `Verified`.
(3) Signers are counted by who they are, never by signature or name: signing twice, mirroring an ECDSA signature,
    signing in both formats, and one key under two names are one signer (`threshold` and `required` of the rule). Two
    persons whom one name stands for are one, too.
(4) Examining is the dear part (it checks signatures over what strangers pushed): it is done once for each piece, in
    steps, and adds to the findings. Ruling over findings is cheap, and may be done after each of them: they count
    each endorsement once, however often others repeat it beside what nobody has signed.
(5) A scheme is one module or package: its settings, what its rules may demand, and its proof. The catalogue lists the
    settings; whoever wants more of a scheme asks them (`router.verification.settings`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from router.errors import InvalidSignatureError, TrustEndedError, UntrustedSignatureError, UnverifiableError
from router.images import Digest
from router.reasons import Distrust
from router.steps import Steps
from router.verification.evidence import Evidence
from router.verification.keys import SignedBytes
from router.verification.sigstore.proof import NO_WITNESSES, Witnesses
from router.verification.sought import Sought
from router.verification.standing import AskStanding, Issued
from router.verification.trust import Trust

M = TypeVar("M")


class Demands(Protocol):
    """What a rule asks of signers; a rule and its settings both have it."""

    @property
    def threshold(self) -> int | None:
        """How many distinct signers; None: one."""

    @property
    def required(self) -> tuple[str, ...]:
        """Signers that must be among them."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """What one signature of each of them must say, by name."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, as events tell it."""

    name: str
    """What the operator calls this signer."""
    fingerprint: str | None
    """`sha256:` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo; None for signers without a fixed key."""
    identity: str | None
    """The subject of a certificate; None for keys."""
    issuer: str | None
    """Who vouched for the identity; None for keys."""

    @property
    def who(self) -> tuple[str | None, str | None, str | None]:
        """What is the same for the same signer, whatever it is called."""
        return self.fingerprint, self.issuer, self.identity


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A trusted signer has signed that this digest is signed. Made where a claim was checked, by schemes only."""

    signer: Signer
    signed: SignedBytes
    digest: Digest
    aliases: tuple[str, ...] = ()
    """What else the operator calls this signer; a rule may require it by each name."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What the signer has said along with it, by name."""
    witnesses: Witnesses = NO_WITNESSES
    """Who else says that it was signed, and when."""
    valid_until: float | None = None
    """Unix time in seconds from which it counts no more; None: for as long as the signer is trusted."""

    def __post_init__(self) -> None:
        if self.signer.fingerprint not in {None, self.signed.key.fingerprint}:
            raise ValueError("whoever has a fixed key has signed with that key")

    @property
    def counting(self) -> Hashable:
        """All that `Verified` goes by: what is the same for two of them makes the second count for nothing."""
        said = frozenset(self.annotations.items())
        return self.signer, self.aliases, self.digest, said, self.valid_until


@dataclass(frozen=True, slots=True)
class PendingEndorsement:
    """An endorsement that counts if all of these certificates still stand: whoever does I/O has to ask that first."""

    endorsement: Endorsement
    issued: tuple[Issued, ...]
    ask: AskStanding | None
    """Asks; None: nobody can be asked, and it does not count."""


@dataclass(slots=True)
class Findings:
    """What all evidence about one digest amounts to so far; grows while it is examined."""

    digest: Digest | None
    """What the evidence is about; None only where none is looked for."""
    now: float = math.inf
    """When it is examined, in Unix time in seconds. Whoever does not say gets everything expired."""
    endorsements: list[Endorsement] = field(default_factory=list)
    """Those that count: each says something that none before it has said. Only `endorse` adds to them."""
    repeated: list[Endorsement] = field(default_factory=list)
    """Those that say what others have said: an account tells of them, and they prove nothing more."""
    pending: list[PendingEndorsement] = field(default_factory=list)
    """What may become endorsements."""
    strangers: int = 0
    """Sound signatures by nobody who is trusted."""
    attestations: int = 0
    """Sound statements that are not of the kind that is wanted, whoever made them."""
    lacking: list[UntrustedSignatureError] = field(default_factory=list)
    """What sound signatures lack that seem to be by somebody who is trusted."""
    defects: list[InvalidSignatureError] = field(default_factory=list)
    gaps: list[UnverifiableError] = field(default_factory=list)
    _counted: set[Hashable] = field(default_factory=set, repr=False)

    def endorse(self, endorsement: Endorsement) -> None:
        """Add an endorsement: to those that count, unless what counts of it is there already."""
        is_new = (counting := endorsement.counting) not in self._counted
        self._counted.add(counting)
        (self.endorsements if is_new else self.repeated).append(endorsement)


@dataclass(frozen=True, slots=True)
class Verified:
    """Enough of those who are trusted have signed this digest.

    Raises:
        UntrustedSignatureError: They have not: nobody, too few, or not those whom the demands require.
        TrustEndedError: They are not trusted any more.
    """

    digest: Digest
    endorsements: tuple[Endorsement, ...]
    demands: Demands
    trust: Trust[object]
    now: float
    """When it was proven, in Unix time."""

    def __post_init__(self) -> None:
        if self.trust.has_ended(self.now):
            raise TrustEndedError("those who may sign are not trusted any more: what vouches for them has run out")
        sound = self._sound
        if not sound:
            if self.demands.annotations and self._about_digest:
                raise UntrustedSignatureError(
                    "signed, but no signature has all annotations that are wanted", reason=Distrust.ANNOTATION_MISSING
                )
            raise UntrustedSignatureError("nobody who is trusted has signed")
        names = {name for entry in sound for name in (entry.signer.name, *entry.aliases)}
        if lacking := [name for name in self.demands.required if name not in names]:
            wanted = ", ".join(f'"{name}"' for name in lacking)
            raise UntrustedSignatureError(
                f"signed by {self._by}, but not by {wanted}", reason=Distrust.REQUIRED_SIGNER_MISSING
            )
        if _distinct(sound) < (self.demands.threshold or 1):
            wanted = f"{self.demands.threshold} different signers are wanted"
            raise UntrustedSignatureError(f"signed by {self._by} only; {wanted}", reason=Distrust.TOO_FEW_SIGNERS)

    @property
    def _by(self) -> str:
        return ", ".join(f'"{signer.name}"' for signer in self.signers)

    @property
    def _about_digest(self) -> list[Endorsement]:
        return [entry for entry in self.endorsements if entry.digest == self.digest]

    @property
    def _sound(self) -> list[Endorsement]:
        """Those whose signer has said all that is demanded, in the one signature."""
        wanted = self.demands.annotations.items()
        return [entry for entry in self._about_digest if wanted <= entry.annotations.items()]

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Each signer once, by name."""
        by_who: dict[object, Signer] = {}
        for entry in self._sound:
            by_who.setdefault(entry.signer.who, entry.signer)
        return tuple(sorted(by_who.values(), key=lambda signer: signer.name))

    @property
    def valid_until(self) -> float | None:
        """Unix time in seconds from which it proves nothing; None: for as long as the trust stays what it is."""
        ends = [self.trust.valid_until, *(entry.valid_until for entry in self._sound)]
        return min((end for end in ends if end is not None), default=None)


def _distinct(endorsements: Sequence[Endorsement]) -> int:
    """How many signers there are such that each has a name and a person of its own (rule 3).

    One name may stand for many persons (an expression), and one person have many names: this is the size of the
    largest matching between the two.
    """
    names: dict[object, set[str]] = {}
    for entry in endorsements:
        names.setdefault(entry.signer.who, set()).update((entry.signer.name, *entry.aliases))
    return _matched(list(names.values()))


def _matched(choices: Sequence[set[str]]) -> int:
    """How many of these can choose a name that nobody else has chosen (augmenting paths, Kuhn 1955)."""
    taken: dict[str, int] = {}

    def finds(person: int, tried: set[str]) -> bool:
        for name in choices[person] - tried:
            tried.add(name)
            if name not in taken or finds(taken[name], tried):
                taken[name] = person
                return True
        return False

    return sum(finds(person, set()) for person in range(len(choices)))


@dataclass(frozen=True, slots=True)
class Exempt:
    """A static rule lets every image pass."""

    detail: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A static rule refuses every image."""

    detail: str


Ruling: TypeAlias = Verified | Exempt | Denied


class Scheme(Protocol[M]):
    """A way to prove an image. Implementations do no I/O.

    They keep nothing of what they examine but a bounded number of chains of certificates, which hold by their bytes.
    """

    @property
    def needs_evidence(self) -> bool:
        """Whether evidence must be looked for; without it, no digest is needed either."""

    @property
    def sought(self) -> Sought:
        """What evidence is looked for, and where; nowhere where none is needed."""

    @property
    def trust(self) -> Trust[M]:
        """Whom it trusts now: to be read once per judgement. An attribute, since every request asks for its id."""

    def examine(self, news: Evidence, found: Findings, trust: Trust[M]) -> Steps[None]:
        """Add what each piece of the news is to the findings; a step is at most one key's check of one piece."""

    def prove(self, found: Findings, demands: Demands, trust: Trust[M], now: float) -> Ruling:
        """Say what the findings prove about their digest; `now` is Unix time in seconds.

        Raises:
            NotVerifiedError: They do not prove what is demanded; the kind of error says in which sense. Never raised
                by a scheme that needs no evidence.
        """


AnyScheme: TypeAlias = Scheme[Any]
"""A scheme whose trust is its own affair: whoever holds it only hands the trust back."""
