"""Chains of certificates as the Notary Project wants them, for signing code and for timestamps. Pure.

Source: Notary Project signature specification, "Certificate Requirements"; RFC 3161 section 2.3; RFC 5280. Rules:

(1) A chain is ordered, the signer's certificate first, a self-signed root last, nothing beside it: each is issued by
    the next, by name and by signature, and none but the last is self-signed. A single certificate is signer and root.
(2) Signatures of certificates are over SHA-256, SHA-384 or SHA-512; RSA keys have 2048 to 8192 bits.
(3) An authority's basic constraints are there, critical, and say so; its path length holds for the authorities
    beneath it; its key usage is there and has keyCertSign.
(4) The signer's are no authority's; its key usage is there, has digitalSignature and none of those for encryption and
    for issuing. For code: no extended key usage for any use, TLS, mail, time stamping or OCSP. For timestamps:
    extended key usage is there, critical, and time stamping alone.
(5) Key usages of code signing are critical; for timestamps they should be, and need not.
(6) All of a chain is valid at the same moment, both ends included. Validity need not be nested.
(7) No other extension is honoured or refused: the specification says so, critical or not, so name constraints and
    policies mean nothing here. What can't be read at all is no certificate.

Trust is not said here: that one of the chain is, byte for byte, a certificate of a trust store.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from router.errors import InvalidSignatureError
from router.reasons import Flaw
from router.steps import Steps
from router.verification.libraries import reading
from router.verification.notation.algorithms import RSA_EXPONENT_LIMIT, SigningKey
from router.verification.notation.der import elements

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_RSA_BITS = range(2048, 8192 + 1)
_INTEGER = 0x02
_NOT_FOR_CODE = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
)
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when something holds, in Unix time in seconds; both ends belong to it."""

    begin: float
    end: float

    def covers(self, moment: float) -> bool:
        """Whether the moment belongs to it."""
        return self.begin <= moment <= self.end


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, read wholly; nobody has vouched for it yet. Equal by its bytes."""

    der: bytes
    parsed: x509.Certificate = field(compare=False, repr=False)
    extensions: x509.Extensions = field(compare=False, repr=False)
    public: object = field(compare=False, repr=False)
    """Its key, of a kind and size that is accepted."""
    period: Period = field(compare=False)

    @classmethod
    def from_der(cls, der: bytes, what: str = "a certificate of a signature") -> Self:
        """Read one; raises InvalidSignatureError (malformed, certificate)."""
        with reading(what):
            _expect_serial(der)
            parsed = x509.load_der_x509_certificate(der)
            period = Period(parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp())
            found = cls(der, parsed, parsed.extensions, parsed.public_key(), period)
            is_strong = _is_strong(found.public) and isinstance(parsed.signature_hash_algorithm, _HASHES)
        if not is_strong:
            raise _unfit(f"{what} has a key or a signature of a kind that is not accepted")
        return found

    @classmethod
    def from_pem(cls, pem: bytes, what: str) -> tuple[Self, ...]:
        """Every certificate of a PEM text, at least one; raises InvalidSignatureError."""
        with reading(what):
            found = [entry.public_bytes(Encoding.DER) for entry in x509.load_pem_x509_certificates(pem)]
        return tuple(cls.from_der(der, what) for der in found)

    @property
    def key(self) -> SigningKey:
        """The key that signs; raises InvalidSignatureError(key) where it may not."""
        return SigningKey.of(self.public)

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
        constraints = self._held(x509.BasicConstraints)
        return constraints is not None and constraints.value.ca

    @property
    def is_self_signed(self) -> bool:
        """Whether it is its own issuer, by name and by signature."""
        return self.is_issued_by(self)

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Whether the issuer's key has signed it, and it says so by name."""
        try:
            self.parsed.verify_directly_issued_by(issuer.parsed)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    def expect_authority(self, beneath: int, *, is_for_code: bool) -> None:
        """Check rule 3 for an authority with so many others beneath it; raises InvalidSignatureError(certificate)."""
        constraints, usage = self._held(x509.BasicConstraints), self._held(x509.KeyUsage)
        if constraints is None or not constraints.critical or not constraints.value.ca:
            raise _unfit("a certificate of the chain is not that of an authority")
        if constraints.value.path_length is not None and beneath > constraints.value.path_length:
            raise _unfit("an authority of the chain has more authorities beneath it than it may")
        if usage is None or not usage.value.key_cert_sign or (is_for_code and not usage.critical):
            raise _unfit("an authority of the chain may not issue certificates")

    def expect_signer(self, *, is_for_code: bool) -> None:
        """Check rule 4; raises InvalidSignatureError(certificate)."""
        constraints, usage = self._held(x509.BasicConstraints), self._held(x509.KeyUsage)
        if constraints is not None and constraints.value.ca:
            raise _unfit("the certificate of a signer is that of an authority")
        if usage is None or (is_for_code and not usage.critical) or not _is_for_signatures_only(usage.value):
            raise _unfit("the certificate of a signer is not for signatures, or for other things, too")
        extended = self._held(x509.ExtendedKeyUsage)
        if is_for_code:
            if extended is not None and _NOT_FOR_CODE & set(extended.value):
                raise _unfit("the certificate of a signer is for other things than signing code")
        elif extended is None or not extended.critical or list(extended.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
            raise _unfit("the certificate of a timestamp is not for timestamps alone")

    def _held(self, kind: type[_E]) -> x509.Extension[_E] | None:
        try:
            return self.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            return None


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates that are a chain by all rules above, the signer's first."""

    certificates: tuple[Certificate, ...]

    @classmethod
    def checked(
        cls, certificates: Sequence[Certificate], known_roots: Collection[bytes] = (), *, is_for_code: bool = True
    ) -> Steps[Self]:
        """Check that they are one, a certificate in a step; raises InvalidSignatureError(certificate).

        Args:
            certificates: The signer's first.
            known_roots: Certificates that are known to be self-signed, in DER: that does not change.
            is_for_code: Whether they are to sign code, or else timestamps.
        """
        last = len(certificates) - 1
        for index, certificate in enumerate(certificates):
            yield
            if index == 0:
                certificate.expect_signer(is_for_code=is_for_code)
            else:
                certificate.expect_authority(index - 1, is_for_code=is_for_code)
            is_root = certificate.der in known_roots or certificate.is_self_signed
            if index == last and not is_root:
                raise _unfit("the chain of a signature does not end in a root")
            if index < last:
                if not certificate.is_issued_by(certificates[index + 1]):
                    raise _unfit("a certificate of the chain is not issued by the next")
                if is_root:
                    raise _unfit("the chain of a signature goes on behind a root")
        return cls(tuple(certificates))

    @property
    def signer(self) -> Certificate:
        """Whose key has signed."""
        return self.certificates[0]

    @property
    def period(self) -> Period:
        """When all of it is valid; covers nothing where there is no such time."""
        periods = [entry.period for entry in self.certificates]
        return Period(max(entry.begin for entry in periods), min(entry.end for entry in periods))


def _expect_serial(der: bytes) -> None:
    """Raise ValueError unless its serial number is positive (RFC 5280 section 4.1.2.2).

    The library still takes others and writes a warning about each, which strangers could fill a log with.
    """
    ((_, certificate),) = elements(der)
    (_, content), *_ = elements(certificate)
    serial = next((value for tag, value in elements(content) if tag == _INTEGER), b"")
    if int.from_bytes(serial, "big", signed=True) <= 0:
        raise ValueError("a serial number is positive")


def _is_for_signatures_only(usage: x509.KeyUsage) -> bool:
    others = usage.key_encipherment, usage.data_encipherment, usage.key_agreement, usage.key_cert_sign, usage.crl_sign
    return usage.digital_signature and not any(others)  # encipher_only and decipher_only want key_agreement


def _is_strong(key: object) -> bool:
    match key:
        case rsa.RSAPublicKey():
            return key.key_size in _RSA_BITS and key.public_numbers().e < RSA_EXPONENT_LIMIT
        case ec.EllipticCurvePublicKey():
            return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
        case _:
            return False


def _unfit(text: str) -> InvalidSignatureError:
    return InvalidSignatureError(text, reason=Flaw.CERTIFICATE)
