"""Whom a verifier of Notation trusts, and how strictly each check binds. Pure.

Source: Notary Project trust store and trust policy specification, "Signature Verification details" and "Custom
Verification Level". Rules:

(1) A store holds certificates of one type: of authorities that issue signing certificates (`ca`), of those that sign
    for others (`signing_authority`), of those that tell the time (`tsa`). One never stands in for another.
(2) A level says which checks bind: `strict` all, `permissive` integrity and authenticity, `audit` integrity, `skip`
    none, and then nothing is even looked for. Each but integrity can be overridden. What does not bind is not checked:
    nothing here depends on it.
(3) Everything that a proof depends on is part of the id, so that another level or identity forgets what was proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509

from router.text import shortened
from router.verification.notation.certificates import Chains
from router.verification.notation.identities import Identities
from router.verification.pki.certificates import Certificate

_NAME_LIMIT = 400
"""Characters of a distinguished name that are told: whoever makes a certificate chooses them."""


class StoreType(StrEnum):
    """What the certificates of a store vouch for."""

    CA = "ca"
    """Signing certificates (`notary.x509`)."""
    SIGNING_AUTHORITY = "signing_authority"
    """Those who sign for others, the time included (`notary.x509.signingAuthority`)."""
    TSA = "tsa"
    """Timestamps."""


class Level(StrEnum):
    """Which checks bind."""

    STRICT = "strict"
    """All: integrity, authenticity, the time of signing, expiry."""
    PERMISSIVE = "permissive"
    """Integrity and authenticity."""
    AUDIT = "audit"
    """Integrity only: whoever can push can sign."""
    SKIP = "skip"
    """None: no signature is looked for, and every image passes."""


class Check(StrEnum):
    """What can be overridden; integrity can't."""

    AUTHENTICITY = "authenticity"
    """A trust store and an identity vouch for the signer."""
    AUTHENTIC_TIMESTAMP = "authentic_timestamp"
    """The signer's certificates were valid when it signed."""
    EXPIRY = "expiry"
    """The signature's own end has not come."""
    REVOCATION = "revocation"
    """None of the certificates was revoked."""


class Timestamps(StrEnum):
    """When a timestamp is asked for, where there is a store for them."""

    ALWAYS = "always"
    """Of every signature."""
    AFTER_CERT_EXPIRY = "after_cert_expiry"
    """Of those whose certificates have expired."""


CHECKS: Mapping[Level, frozenset[Check]] = {
    Level.STRICT: frozenset({Check.AUTHENTICITY, Check.AUTHENTIC_TIMESTAMP, Check.EXPIRY}),
    Level.PERMISSIVE: frozenset({Check.AUTHENTICITY}),
    Level.AUDIT: frozenset(),
    Level.SKIP: frozenset(),
}
"""What binds at each level. Revocation binds at none: it asks others on the way to an answer."""


def subject_text(name: x509.Name) -> str:
    """A distinguished name as events tell it; a long one still differs from every other."""
    return shortened(name.rfc4514_string(), _NAME_LIMIT)


@dataclass(frozen=True, slots=True)
class Store:
    """A trust store."""

    name: str
    type: StoreType
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class NotationPolicy:
    """What a signature must be."""

    stores: tuple[Store, ...]
    identities: Identities
    binding: frozenset[Check]
    timestamps: Timestamps
    is_skipped: bool = False
    """Whether nothing is checked at all, and every image passes."""
    known: Mapping[bytes, Certificate] = field(init=False, compare=False)
    """Every certificate of the stores, by its bytes: it need not be read again where it comes along."""
    roots: frozenset[bytes] = field(init=False, compare=False)
    """Those that are self-signed, which need not be found out again."""
    signing_chains: Chains = field(init=False, compare=False, default_factory=Chains)
    """Of those who sign, as far as they are known."""
    timing_chains: Chains = field(init=False, compare=False, default_factory=Chains)
    """Of those who tell the time, as far as they are known."""
    names: Mapping[bytes, str] = field(init=False, compare=False)
    """Their subjects as events tell them."""

    def __post_init__(self) -> None:
        known = {entry.der: entry for store in self.stores for entry in store.certificates}
        object.__setattr__(self, "known", known)
        object.__setattr__(self, "roots", frozenset(der for der, entry in known.items() if entry.is_self_signed))
        object.__setattr__(self, "names", {der: subject_text(entry.subject) for der, entry in known.items()})

    def names_of(self, type_: StoreType, chain: Sequence[bytes]) -> tuple[str, ...]:
        """Which stores of this type hold a certificate of the chain, byte for byte, in the order of the stores."""
        return tuple(
            store.name
            for store in self.stores
            if store.type is type_ and any(entry.der in chain for entry in store.certificates)
        )

    @property
    def clocks(self) -> tuple[Certificate, ...]:
        """Roots of those who tell the time."""
        return tuple(entry for store in self.stores if store.type is StoreType.TSA for entry in store.certificates)
