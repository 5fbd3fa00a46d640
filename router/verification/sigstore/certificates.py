"""X.509 certificates as signatures carry them, and what it takes that an authority vouches for one. Pure.

Sources: RFC 5280; Sigstore's certificate profile (sigstore/fulcio docs/certificate-specification.md); sigstore client
specification, "Certificate" (path building at the time of signing, not of now).

Rules:
(1) A certificate is read wholly or not at all: version 3, at most 16 KiB, no extension twice, no critical extension
    that is not understood here (RFC 5280 section 4.2). Name constraints are not understood, and so refused.
(2) Every signature of a path is over SHA-256, SHA-384 or SHA-512, or Ed25519's; never SHA-1.
(3) Whoever issues is a CA by basic constraints, may sign certificates by key usage, has no more issuers beneath it than
    its path length allows, and where it has extended key usages, has the one that the leaf is used for.
(4) A leaf is no CA, its key usage has digitalSignature, and it has the extended key usage that it is used for. An
    absent usage is no permission: other verifiers take such leaves.
(5) What an authority's own certificates say of each other does not change: it is checked once, when trust is read.
    A leaf then costs one signature check; one with intermediates of its own (private PKI) one for each.
(6) At a time means: within the validity of every certificate of the path and of the authority's entry in the trust
    root, both ends included.

Not done here: revocation (short-lived certificates have none), and the names, which `identities` reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from router.errors import InvalidSignatureError
from router.reasons import Flaw
from router.verification.documents import malformed
from router.verification.keys import PublicKey, UnusableKeyError
from router.verification.libraries import reading

CERTIFICATE_LIMIT = 16 * 1024
"""Bytes of one certificate: Fulcio's have some 800 to 2,000."""
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


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when something holds, in Unix time in seconds; both ends belong to it."""

    begin: float
    end: float

    def covers(self, moment: float) -> bool:
        """Whether the moment belongs to it."""
        return self.begin <= moment <= self.end

    def __and__(self, other: Self) -> Self:
        return type(self)(max(self.begin, other.begin), min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, read wholly (rule 1); nobody has vouched for it yet."""

    der: bytes
    parsed: x509.Certificate
    extensions: x509.Extensions
    period: Period
    key: PublicKey
    way: ec.ECDSA | padding.PKCS1v15 | padding.PSS | None
    """How it was signed; None: by Ed25519."""

    @classmethod
    def from_der(cls, der: bytes, what: str = "a certificate") -> Self:
        """Read one; raises InvalidSignatureError(malformed, certificate)."""
        if len(der) > CERTIFICATE_LIMIT:
            raise malformed(what, f"has more than {CERTIFICATE_LIMIT} bytes")
        with reading(what):
            parsed = x509.load_der_x509_certificate(der)
            extensions = parsed.extensions
            period = Period(parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp())
            names = parsed.subject, parsed.issuer, parsed.version
            algorithm, way = _hash_of(parsed), parsed.signature_algorithm_parameters
            material = parsed.public_key()
        if names[2] is not x509.Version.v3:
            raise _unfit(f"{what} is not of version 3")
        if any(entry.critical and entry.oid not in _UNDERSTOOD for entry in extensions):
            raise _unfit(f"{what} has a critical extension that is not understood")
        if algorithm is None and parsed.signature_algorithm_oid != SignatureAlgorithmOID.ED25519:
            raise _unfit(f"{what} is signed with an algorithm that is not accepted")
        try:
            return cls(der, parsed, extensions, period, PublicKey.of(material), way)
        except UnusableKeyError as error:
            raise _unfit(f"the key of {what} {error}") from error

    @classmethod
    def from_pem(cls, pem: bytes, what: str = "a certificate") -> tuple[Self, ...]:
        """Read every certificate of a PEM text, which must be there; raises InvalidSignatureError."""
        with reading(what):
            found = [entry.public_bytes(Encoding.DER) for entry in x509.load_pem_x509_certificates(pem)]
        if len(found) > INTERMEDIATES_LIMIT + 2:
            raise malformed(what, "has too many certificates")
        return tuple(cls.from_der(der, what) for der in found)

    @property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo: what CT logs call an issuer by."""
        return hashlib.sha256(self.key.der).digest()

    def expect_leaf_for(self, usage: x509.ObjectIdentifier) -> None:
        """Check that it may sign for this extended key usage (rule 4); raises InvalidSignatureError(certificate)."""
        constraints, keys, extended = self._constraints()
        if constraints is not None and constraints.ca:
            raise _unfit("the certificate of a signature is an authority's")
        if keys is None or not keys.digital_signature:
            raise _unfit("the certificate of a signature may not sign")
        if extended is None or usage not in extended:
            raise _unfit("the certificate of a signature is for another use")

    def may_issue(self, usage: x509.ObjectIdentifier, beneath: int) -> bool:
        """Whether it is an authority for leaves of this use, with so many issuers beneath it (rule 3)."""
        constraints, keys, extended = self._constraints()
        if constraints is None or not constraints.ca or keys is None or not keys.key_cert_sign:
            return False
        if constraints.path_length is not None and beneath > constraints.path_length:
            return False
        return extended is None or usage in extended or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Whether the issuer's key has signed it, and it says so by name.

        Not by the library's `verify_directly_issued_by`, which reads the issuer's key anew each time: on P-384 that
        takes longer than the check.
        """
        if self.parsed.issuer != issuer.parsed.subject:
            return False
        content, signature, way = self.parsed.tbs_certificate_bytes, self.parsed.signature, self.way
        try:
            match issuer.key.material, way:
                case ec.EllipticCurvePublicKey() as key, ec.ECDSA():
                    key.verify(signature, content, way)
                case rsa.RSAPublicKey() as key, padding.PKCS1v15() | padding.PSS():
                    algorithm = _hash_of(self.parsed)
                    if algorithm is None:
                        return False
                    key.verify(signature, content, way, algorithm)
                case ed25519.Ed25519PublicKey() as key, None:
                    key.verify(signature, content)
                case _:
                    return False
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def _constraints(self) -> tuple[x509.BasicConstraints | None, x509.KeyUsage | None, x509.ExtendedKeyUsage | None]:
        basic = keys = extended = None
        for entry in self.extensions:
            match entry.value:
                case x509.BasicConstraints() as value:
                    basic = value
                case x509.KeyUsage() as value:
                    keys = value
                case x509.ExtendedKeyUsage() as value:
                    extended = value
                case _:
                    pass
        return basic, keys, extended


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
    """A certificate authority of a trust root: its path is checked when this is made (rule 5)."""

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
            raise _unfit("an authority has no certificate")
        issuers: list[Issuer] = []
        for above, certificate in enumerate(reversed(chain)):
            below = len(chain) - 1 - above
            if not certificate.may_issue(usage, below) or (
                issuers and not certificate.is_issued_by(issuers[-1].certificate)
            ):
                raise _unfit("the certificates of an authority are no chain from an issuer to its anchor")
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
            if not certificate.may_issue(self.usage, beneath):
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
    for entry in certificate.extensions:
        if isinstance(entry.value, x509.BasicConstraints) and entry.value.path_length is not None:
            left = min(left, entry.value.path_length)
    return left


def _hash_of(parsed: x509.Certificate) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    algorithm = parsed.signature_hash_algorithm
    return algorithm if isinstance(algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512) else None


def _unfit(text: str) -> InvalidSignatureError:
    return InvalidSignatureError(text, reason=Flaw.CERTIFICATE)
