"""What every scheme is: evidence, digest and demands go in, a ruling or an error comes out. No I/O. Pure.

Rules:
(1) A ruling is one of `Verified`, `Exempt`, `Denied`; whatever else there is to say is a NotVerifiedError, so that a
    careless caller refuses.
(2) `Verified` can't be had without signatures: it is made of endorsements, an endorsement holds `SignedBytes`, and
    those check the signature when they are made. Endorsements about another digest, none at all, or fewer distinct
    keys than the rule asks for make no `Verified`.
(3) Signers are counted by key, never by signature: signing twice, mirroring an ECDSA signature or signing in both
    formats is one signer (`threshold` and `required` of the rule).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from router.errors import UntrustedSignatureError
from router.images import Digest
from router.verification.evidence import Evidence
from router.verification.keys import SignedBytes


class Demands(Protocol):
    """What a rule asks of signers; a rule and its settings both have it."""

    @property
    def threshold(self) -> int | None:
        """How many distinct signers; None: one."""

    @property
    def required(self) -> tuple[str, ...]:
        """Signers that must be among them."""


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


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A pinned key has signed that this digest is signed. Made where a claim was checked, in `cosign`, only."""

    name: str
    """What the operator calls the key."""
    signed: SignedBytes
    digest: Digest


@dataclass(frozen=True, slots=True)
class Verified:
    """Enough of the pinned keys have signed this digest.

    Raises:
        UntrustedSignatureError: They have not: nobody, too few, or not those whom the demands require.
    """

    digest: Digest
    endorsements: tuple[Endorsement, ...]
    demands: Demands

    def __post_init__(self) -> None:
        sound = [entry for entry in self.endorsements if entry.digest == self.digest]
        names = {entry.name for entry in sound}
        keys = {entry.signed.key for entry in sound}
        if not keys:
            raise UntrustedSignatureError("none of the trusted keys has signed")
        by = ", ".join(f'"{name}"' for name in sorted(names))
        if lacking := [name for name in self.demands.required if name not in names]:
            wanted = ", ".join(f'"{name}"' for name in lacking)
            raise UntrustedSignatureError(f"signed by {by}, but not by {wanted}", reason="required_signer_missing")
        if len(keys) < (self.demands.threshold or 1):
            wanted = f"{self.demands.threshold} different keys are wanted"
            raise UntrustedSignatureError(f"signed by {by} only; {wanted}", reason="too_few_signers")

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Each signer once, by name."""
        by_name = {entry.name: entry.signed.key.fingerprint for entry in self.endorsements}
        return tuple(Signer(name, by_name[name], None, None) for name in sorted(by_name))


@dataclass(frozen=True, slots=True)
class Exempt:
    """A static rule lets every image pass."""

    detail: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A static rule refuses every image."""

    detail: str


Ruling: TypeAlias = Verified | Exempt | Denied


class Scheme(Protocol):
    """A way to prove an image. Implementations keep no state and do no I/O."""

    @property
    def needs_evidence(self) -> bool:
        """Whether evidence must be looked for; without it, no digest is needed either."""

    @property
    def snapshot(self) -> str:
        """An id of whom it trusts: proofs that were made under another id are not valid any more."""

    @property
    def effort(self) -> int:
        """How many signature checks one piece of evidence may cost at most."""

    def prove(self, evidence: Evidence, digest: Digest | None, demands: Demands) -> Ruling:
        """Say what the evidence proves about the digest.

        Raises:
            NotVerifiedError: It does not prove what is demanded; the kind of error says in which sense. Never raised
                by a scheme that needs no evidence.
        """
