"""What those who issue certificates say of them: OCSP answers and lists of revoked ones (CRL), read strictly. Pure.

Sources: RFC 6960 (OCSP), RFC 5280 section 5 (CRL); Notary Project trust policy specification, "Certificate Revocation
Evaluation". Rules:

(1) An OCSP answer is about this certificate by serial number and by the hashes of its issuer's name and key. It is
    signed by the issuer, or by somebody with a certificate for it that the issuer has signed, that is for
    OCSP, and valid now (RFC 6960 section 4.2.2.2). Whether that certificate was revoked is not asked: it would be
    asked of its own holder.
(2) A list is the issuer's, by name and by signature, and whole: neither one of changes, nor of some reasons or kinds of
    certificates, nor somebody else's (RFC 5280 section 5.2.5). Whatever is critical in it and not understood ends it.
(3) Both say until when they count (`nextUpdate`), which must be in the time to come. They count from `thisUpdate` on,
    for which clocks may differ by five minutes.
(4) Revoked is revoked: neither a reason, nor the time of the signature, nor a hold make it less so. That is stricter
    than the specification, which lets signatures of before a revocation pass.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from router.errors import InvalidSignatureError
from router.verification.libraries import reading
from router.verification.standing import Good, Issued, Revoked

OCSP_LIMIT = 64 * 1024
"""Bytes of an OCSP answer."""
LIST_LIMIT = 4 * 2**20
"""Bytes of a list."""
RESPONDERS_LIMIT = 4
"""Certificates of an OCSP answer that are looked at."""
_SKEW = 300.0
_E = TypeVar("_E", bound=x509.ExtensionType)
_URI = x509.UniformResourceIdentifier
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint)


class UnusableAnswerError(Exception):
    """What came says nothing that counts of this certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a certificate says that its standing is told; the first address of each kind."""

    ocsp: str | None
    crl: str | None


def places_of(issued: Issued) -> Places:
    """Where to ask; raises UnusableAnswerError where what the certificate says of it can't be read."""
    with _read("a certificate"):
        certificate = x509.load_der_x509_certificate(issued.certificate)
        access = _extension(certificate.extensions, x509.AuthorityInformationAccess)
        points = _extension(certificate.extensions, x509.CRLDistributionPoints)
        return Places(next(iter(_responders_of(access)), None), next(iter(_lists_of(points)), None))


def ocsp_question(issued: Issued) -> bytes:
    """The question about a certificate, in DER. Its hashes only name the issuer, and every responder knows SHA-1."""
    certificate, issuer = _loaded(issued)
    return _request(certificate, issuer, hashes.SHA1()).public_bytes(Encoding.DER)  # noqa: S303 - a name, no proof


def read_ocsp(issued: Issued, body: bytes, now: float) -> Good | Revoked:
    """What an OCSP answer says; raises UnusableAnswerError."""
    certificate, issuer = _loaded(issued)
    with _read("an OCSP answer"):
        answer = ocsp.load_der_ocsp_response(body)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise UnusableAnswerError(f"the responder says {answer.response_status.name.lower()}")
        if not any(_has_signed(one, answer) for one in _responders(answer, issuer, now)):
            raise UnusableAnswerError("nobody has signed the OCSP answer who may speak for the issuer")
        for single in answer.responses:
            if single.serial_number == certificate.serial_number and _names(single, certificate, issuer):
                return _said(single, now)
    raise UnusableAnswerError("the OCSP answer is about another certificate")


def read_list(body: bytes, issuer_der: bytes, now: float) -> tuple[x509.CertificateRevocationList, float]:
    """A list of this issuer, and until when it counts in Unix time; raises UnusableAnswerError."""
    with _read("a list of revoked certificates"):
        issuer = x509.load_der_x509_certificate(issuer_der)
        found = x509.load_der_x509_crl(body)
        usage = _extension(issuer.extensions, x509.KeyUsage)
        if found.issuer != issuer.subject or (usage is not None and not usage.crl_sign):
            raise UnusableAnswerError("the list is not the issuer's")
        for extension in found.extensions:
            is_known = isinstance(extension.value, _UNDERSTOOD)
            if extension.critical and not is_known:
                raise UnusableAnswerError("the list has a critical extension that is not understood")
        point = _extension(found.extensions, x509.IssuingDistributionPoint)
        if point is not None and _is_partial(point):
            raise UnusableAnswerError("the list is not one of all certificates and reasons")
        until = _until(found.last_update_utc, found.next_update_utc, now)
        key = issuer.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise UnusableAnswerError("the issuer's key is of a kind that is not accepted")
        if not isinstance(found.signature_hash_algorithm, _HASHES) or not found.is_signature_valid(key):
            raise UnusableAnswerError("the issuer has not signed the list")
        return found, until


def in_list(found: x509.CertificateRevocationList, issued: Issued, until: float) -> Good | Revoked:
    """What a list says of a certificate."""
    with _read("a list of revoked certificates"):
        certificate = x509.load_der_x509_certificate(issued.certificate)
        entry = found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is None:
            return Good(until)
        return Revoked(until, f"it was revoked at {entry.revocation_date_utc.isoformat()}")


def _loaded(issued: Issued) -> tuple[x509.Certificate, x509.Certificate]:
    with _read("a certificate"):
        return x509.load_der_x509_certificate(issued.certificate), x509.load_der_x509_certificate(issued.issuer)


@contextmanager
def _read(what: str) -> Iterator[None]:
    """While a library reads this; raises UnusableAnswerError where it can't."""
    try:
        with reading(what):
            yield
    except InvalidSignatureError as error:
        raise UnusableAnswerError(str(error)) from error


def _extension(extensions: x509.Extensions, kind: type[_E]) -> _E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _responders_of(access: x509.AuthorityInformationAccess | None) -> Iterator[str]:
    for entry in access or ():
        location = entry.access_location
        if entry.access_method == AuthorityInformationAccessOID.OCSP and isinstance(location, _URI):
            yield location.value


def _lists_of(points: x509.CRLDistributionPoints | None) -> Iterator[str]:
    for point in points or ():
        if point.reasons is None and point.crl_issuer is None:
            yield from (name.value for name in point.full_name or () if isinstance(name, _URI))


def _request(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: hashes.HashAlgorithm
) -> ocsp.OCSPRequest:
    return ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm).build()


def _names(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    wanted = _request(certificate, issuer, single.hash_algorithm)
    return (single.issuer_name_hash, single.issuer_key_hash) == (wanted.issuer_name_hash, wanted.issuer_key_hash)


def _responders(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: float) -> Iterator[x509.Certificate]:
    """Who may have signed the answer (1)."""
    yield issuer
    for one in answer.certificates[:RESPONDERS_LIMIT]:
        usage = _extension(one.extensions, x509.ExtendedKeyUsage)
        is_valid = one.not_valid_before_utc.timestamp() <= now <= one.not_valid_after_utc.timestamp()
        if usage is not None and ExtendedKeyUsageOID.OCSP_SIGNING in usage and is_valid and _is_issued(one, issuer):
            yield one


def _is_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


def _has_signed(certificate: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
    key, algorithm = certificate.public_key(), answer.signature_hash_algorithm
    if not isinstance(algorithm, _HASHES):
        return False
    try:
        match key:
            case rsa.RSAPublicKey():
                key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey():
                key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def _said(single: ocsp.OCSPSingleResponse, now: float) -> Good | Revoked:
    until = _until(single.this_update_utc, single.next_update_utc, now)
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Good(until)
        case ocsp.OCSPCertStatus.REVOKED:
            moment = single.revocation_time_utc
            return Revoked(until, f"it was revoked{'' if moment is None else f' at {moment.isoformat()}'}")
        case _:
            raise UnusableAnswerError("the responder does not know the certificate")


def _until(begin: dt.datetime | None, end: dt.datetime | None, now: float) -> float:
    """Until when it counts (3)."""
    if begin is None or begin.timestamp() > now + _SKEW:
        raise UnusableAnswerError("it is of a time to come")
    if end is None or end.timestamp() <= now:
        raise UnusableAnswerError("it is out of date, or does not say until when it counts")
    return end.timestamp()


def _is_partial(point: x509.IssuingDistributionPoint) -> bool:
    return (
        point.only_contains_user_certs
        or point.only_contains_ca_certs
        or point.only_contains_attribute_certs
        or point.indirect_crl
        or point.only_some_reasons is not None
    )
