"""What a certificate must be for Sigstore, and what it takes that an authority vouches for one. Pure.

Sources: RFC 5280; Sigstore's certificate profile (sigstore/fulcio docs/certificate-specification.md); sigstore client
specification, "Certificate" (path building at the time of signing, not of now).

Rules:
(1) Beyond what holds for every certificate (`router.verification.pki.certificates`) it is of version 3 and has no
    critical extension that is not understood here (RFC 5280 section 4.2; the Notary Project says otherwise of its
    own). Name constraints are not understood, and so refused.
(2) Whoever issues is a CA by basic constraints, may sign certificates by key usage, has no more issuers beneath it than
    its path length allows, and where it has extended key usages, has the one that the leaf is used for.
(3) A leaf is no CA, its key usage has digitalSignature, and it has the extended key usage that it is used for. An
    absent usage is no permission: other verifiers take such leaves.
(4) What an authority's own certificates say of each other does not change: it is checked once, when trust is read.
    A leaf then costs one signature check; one with intermediates of its own (private PKI) one for each.
(5) At a time means: within the validity of every certificate of the path and of the authority's entry in the trust
    root, both ends included.

Not done here: revocation (short-lived certificates have none), and the names, which `identities` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from router.verification.pki.certificates import Certificate, Period, unfit

INTERMEDIATES_LIMIT = 4
"""Certificates that a signature may bring between its leaf and an authority that is trusted."""

CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING

_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)


def read_certificate(der: bytes, what: str = "a certificate of a signature") -> Certificate:
    """Read one (rule 1); raises InvalidSignatureError(malformed, certificate)."""
    found = Certificate.from_der(der, what)
    if found.parsed.version is not x509.Version.v3:
        raise unfit(f"{what} is not of version 3")
    if any(entry.critical and entry.oid not in _UNDERSTOOD for entry in found.extensions):
        raise unfit(f"{what} has a critical extension that is not understood")
    return found


def expect_leaf_for(leaf: Certificate, usage: x509.ObjectIdentifier) -> None:
    """Check that it may sign for this extended key usage (rule 3); raises InvalidSignatureError(certificate)."""
    keys, extended = leaf.held(x509.KeyUsage), leaf.held(x509.ExtendedKeyUsage)
    if leaf.is_authority:
        raise unfit("the certificate of a signature is an authority's")
    if keys is None or not keys.value.digital_signature:
        raise unfit("the certificate of a signature may not sign")
    if extended is None or usage not in extended.value:
        raise unfit("the certificate of a signature is for another use")


def may_issue(authority: Certificate, usage: x509.ObjectIdentifier, beneath: int) -> bool:
    """Whether it is an authority for leaves of this use, with so many issuers beneath it (rule 2)."""
    constraints, keys = authority.held(x509.BasicConstraints), authority.held(x509.KeyUsage)
    if constraints is None or not constraints.value.ca or keys is None or not keys.value.key_cert_sign:
        return False
    if constraints.value.path_length is not None and beneath > constraints.value.path_length:
        return False
    extended = authority.held(x509.ExtendedKeyUsage)
    return extended is None or bool({usage, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(extended.value))


@dataclass(frozen=True, slots=True)
class Issuer:
    """One of an authority's certificates, with what its path to the anchor has been found to allow."""

    certificate: Certificate
    period: Period
    """When the whole path from here to the anchor is valid."""
    room: int
    """How many more issuers may stand beneath it."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of a trust root: its path is checked when this is made (rule 4)."""

    issuers: tuple[Issuer, ...]
    """The anchor first."""
    usage: x509.ObjectIdentifier

    @classmethod
    def of(cls, chain: Sequence[Certificate], period: Period, usage: x509.ObjectIdentifier) -> Self:
        """From a chain whose last certificate is the anchor.

        Raises:
            InvalidSignatureError: The chain is none (certificate).
        """
        if not chain:
            raise unfit("an authority has no certificate")
        issuers: list[Issuer] = []
        for above, certificate in enumerate(reversed(chain)):
            below = len(chain) - 1 - above
            if not may_issue(certificate, usage, below) or (
                issuers and not certificate.is_issued_by(issuers[-1].certificate)
            ):
                raise unfit("the certificates of an authority are no chain from an issuer to its anchor")
            period &= certificate.period
            issuers.append(Issuer(certificate, period, _room(certificate, issuers[-1].room if issuers else None)))
        return cls(tuple(issuers), usage)

    def path_to(self, leaf: Certificate, between: Sequence[Certificate]) -> tuple[Certificate, Period] | None:
        """The leaf's issuer, and when the path is valid; None where there is no path.

        `between` are intermediates that came with the leaf, from the leaf upwards; they may repeat the authority's own.
        """
        for issuer in reversed(self.issuers):
            if leaf.is_issued_by(issuer.certificate):
                return issuer.certificate, leaf.period & issuer.period
        own = {issuer.certificate.der for issuer in self.issuers}
        brought = [entry for entry in between if entry.der not in own]
        if not brought or not leaf.is_issued_by(brought[0]):
            return None
        period = leaf.period
        for beneath, certificate in enumerate(brought):
            if not may_issue(certificate, self.usage, beneath):
                return None
            period &= certificate.period
            if beneath + 1 < len(brought) and not certificate.is_issued_by(brought[beneath + 1]):
                return None
        for issuer in reversed(self.issuers):
            if issuer.room >= len(brought) and brought[-1].is_issued_by(issuer.certificate):
                return brought[0], period & issuer.period
        return None


def _room(certificate: Certificate, above: int | None) -> int:
    left = INTERMEDIATES_LIMIT if above is None else above - 1
    constraints = certificate.held(x509.BasicConstraints)
    if constraints is None or constraints.value.path_length is None:
        return left
    return min(left, constraints.value.path_length)
