"""X.509 certificates, read wholly and in one way; nobody has vouched for them yet. Pure.

Source: RFC 5280. Rules:

(1) A certificate has at most 32 KiB, and is read wholly or not at all: DER, no extension twice, a serial number that is
    positive (section 4.1.2.2; the library takes others and writes a warning about each, which strangers could fill a
    log with), and inside the same signature algorithm as outside (section 4.1.1.2).
(2) It is signed over SHA-256, SHA-384 or SHA-512, or by Ed25519; never over SHA-1. Its key is one that could be pinned
    (`router.verification.keys`).
(3) Issued by another means: by name, byte for byte, and by signature. Names that are spelled otherwise are others, as
    they are for Go's verifiers.
(4) Certificates are equal by their bytes.

Not done here: what a certificate may be used for, and who is trusted. Each scheme has its own rules for that, in
`sigstore.certificates` and `notation.certificates`. Nor revocation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed
from router.verification.keys import PublicKey, UnusableKeyError
from router.verification.libraries import reading
from router.verification.pki.der import INTEGER, SEQUENCE, Value, read

CERTIFICATE_LIMIT = 32 * 1024
"""Bytes of one certificate: real ones have some 800 to 4,000."""
_VERSION_TAG = 0xA0
_FIELDS_LEAST = 6
_E = TypeVar("_E", bound=x509.ExtensionType)
_Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


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
class Naming:
    """What a certificate is called by: its issuer's name in DER, and its number there."""

    issuer: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate."""

    der: bytes
    parsed: x509.Certificate = field(compare=False, repr=False)
    extensions: x509.Extensions = field(compare=False, repr=False)
    period: Period = field(compare=False)
    key: PublicKey = field(compare=False)
    naming: Naming = field(compare=False)
    owner: bytes = field(compare=False, repr=False)
    """Its subject's name, in DER."""
    way: ec.ECDSA | padding.PKCS1v15 | padding.PSS | None = field(compare=False, repr=False)
    """How it was signed; None: by Ed25519."""

    @classmethod
    def from_der(cls, der: bytes, what: str = "a certificate of a signature") -> Self:
        """Read one; raises InvalidSignatureError (malformed, certificate)."""
        if len(der) > CERTIFICATE_LIMIT:
            raise malformed(what, f"has more than {CERTIFICATE_LIMIT} bytes")
        naming, owner = _names(der, what)
        with reading(what):
            parsed = x509.load_der_x509_certificate(der)
            extensions = parsed.extensions
            period = Period(parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp())
            algorithm, way = _hash_of(parsed), parsed.signature_algorithm_parameters
            material = parsed.public_key()
        if algorithm is None and parsed.signature_algorithm_oid != SignatureAlgorithmOID.ED25519:
            raise unfit(f"{what} is signed with an algorithm that is not accepted")
        try:
            return cls(der, parsed, extensions, period, PublicKey.of(material), naming, owner, way)
        except UnusableKeyError as error:
            raise unfit(f"the key of {what} {error}") from error

    @property
    def subject(self) -> x509.Name:
        """Whose it is; raises InvalidSignatureError(malformed)."""
        with reading("the subject of a certificate"):
            return self.parsed.subject

    @property
    def issuer(self) -> x509.Name:
        """Who says so; raises InvalidSignatureError(malformed)."""
        with reading("the issuer of a certificate"):
            return self.parsed.issuer

    @property
    def is_authority(self) -> bool:
        """Whether it says that it is an authority's."""
        constraints = self.held(x509.BasicConstraints)
        return constraints is not None and constraints.value.ca

    @property
    def is_self_signed(self) -> bool:
        """Whether it is its own issuer, by name and by signature."""
        return self.is_issued_by(self)

    def held(self, kind: type[_E]) -> x509.Extension[_E] | None:
        """Its extension of this kind; None without one."""
        try:
            return self.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            return None

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Whether the issuer's key has signed it, and it says so by name (3).

        Not by the library's `verify_directly_issued_by`, which reads the issuer's key anew each time: on P-384 that
        takes longer than the check.
        """
        if self.naming.issuer != issuer.owner:
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


def certificates_in(pem: bytes, what: str, limit: int) -> tuple[bytes, ...]:
    """Every certificate of a PEM text in DER, at least one and at most `limit`; raises InvalidSignatureError."""
    with reading(what):
        found = tuple(entry.public_bytes(Encoding.DER) for entry in x509.load_pem_x509_certificates(pem))
    if len(found) > limit:
        raise malformed(what, f"is one of more than {limit} certificates")
    return found


def unfit(text: str) -> InvalidSignatureError:
    """The error for a certificate that must not be used so."""
    return InvalidSignatureError(text, reason=EvidenceFlaw.CERTIFICATE)


def _names(der: bytes, what: str) -> tuple[Naming, bytes]:
    """What it is called by, and whose it is (1); RFC 5280 section 4.1, `TBSCertificate`."""
    outer = read(der, what).children(what)
    if len(outer) != 3 or outer[0].tag != SEQUENCE:  # noqa: PLR2004 - content, algorithm, signature
        raise malformed(what, "is not a valid certificate")
    fields: Sequence[Value] = outer[0].children(what)
    if fields and fields[0].tag == _VERSION_TAG:
        fields = fields[1:]
    if len(fields) < _FIELDS_LEAST or fields[0].tag != INTEGER or fields[1].whole != outer[1].whole:
        raise malformed(what, "is not a valid certificate, or says two signature algorithms")
    serial = int.from_bytes(fields[0].content, "big", signed=True)
    if serial <= 0:
        raise malformed(what, "has a serial number that is not positive")
    return Naming(fields[2].whole, serial), fields[4].whole


def _hash_of(parsed: x509.Certificate) -> _Hash | None:
    algorithm = parsed.signature_hash_algorithm
    return algorithm if isinstance(algorithm, _Hash) else None
