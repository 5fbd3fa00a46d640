"""Whom a cosign verifier trusts, what must stand beside their signatures, and what they must have said. Pure.

Rules:
(1) Signers are keys and identities together, and there is at least one: without any nothing could be proven.
(2) Where identities may sign, or logs or timestamps are asked for, there is a trusted root.
(3) The id follows from all of this: what was proven under another root, or when less was asked for, is not known any
    more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from router.images import ImageReference
from router.verification.evidence import SIGN_PREDICATE
from router.verification.keys import PublicKey, TrustedKeys, distinct_keys
from router.verification.sigstore.conditions import Condition
from router.verification.sigstore.identities import WantedIdentity
from router.verification.sigstore.proof import Requirements
from router.verification.sigstore.trusted_root import TrustedRoot
from router.verification.trust import Trust

NOTHING_ASKED = Requirements(log=False, timestamp=False, sct=False)


@dataclass(frozen=True, slots=True)
class Signatories:
    """Who may sign, and what else is asked of their signatures."""

    keys: TrustedKeys = ()
    identities: tuple[WantedIdentity, ...] = ()
    root: TrustedRoot | None = None
    of_keys: Requirements = NOTHING_ASKED
    """What must stand beside a key's signature."""
    of_identities: Requirements = NOTHING_ASKED
    """What must stand beside a certificate's."""
    predicate_type: str = SIGN_PREDICATE
    """What must be said of the image."""
    where: Condition | None = None
    """What an attestation must say besides."""
    repository: ImageReference | None = None
    """Where signatures lie; None: beside the image."""

    def __post_init__(self) -> None:
        if not self.keys and not self.identities:
            raise ValueError("without keys or identities nothing can be proven, and nothing may pass")
        needs_root = self.identities or self.of_keys.log or self.of_keys.timestamp
        if needs_root and self.root is None:
            raise ValueError("without a trusted root no identity, log or timestamp can be proven")

    @property
    def wants_attestation(self) -> bool:
        """Whether an attestation is wanted in place of a signature."""
        return self.predicate_type != SIGN_PREDICATE

    @property
    def names(self) -> tuple[str, ...]:
        """What the operator calls them."""
        return (*(name for entry in self.keys for name in entry.names), *(entry.name for entry in self.identities))

    @property
    def id(self) -> str:
        """Equal ids: equal content (rule 3)."""
        lines = [f"{' '.join(entry.names)} {entry.key.fingerprint}" for entry in self.keys]
        lines += map(repr, self.identities)
        lines += map(repr, (self.root and self.root.id, self.of_keys, self.of_identities, self.predicate_type))
        lines += map(repr, (self.where, self.repository and self.repository.name))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def trust_in(named: Iterable[tuple[str, PublicKey]]) -> Trust[Signatories]:
    """Pinned keys by name, of which nothing else is asked, trusted for as long as they stand in the configuration."""
    return trusted(Signatories(distinct_keys(named)))


def trusted(who: Signatories) -> Trust[Signatories]:
    """The same as a value with an id, trusted for as long as it stands in the configuration."""
    return Trust(who.id, who)
