"""A timestamp over a signature of Notation: a trusted authority's word that the signature was there at a time. Pure.

Sources: Notary Project trust store and trust policy specification, "Validate Authentic Timestamp"; RFC 3161 section
2.4.2; RFC 5652 (CMS); RFC 5816 (ESSCertIDv2). `rfc3161-client` reads the token and checks its signature; what it is
lax about is checked here. Steps:

(1) A bare token is wrapped into an answer that was granted, and its certificates are put into DER's order: several
    authorities write that set unordered, nobody has signed it, and the library refuses it.
(2) Exactly one signer. Its certificate, by issuer and serial number, is the one that the token says it is signed with
    (`signing-certificate-v2`, SHA-256 only): without that attribute the specification refuses, too.
(3) It leads by the certificates that came along to a root of a store for timestamps; the chain keeps the rules of
    `certificates`. The root need not come along.
(4) The token's signature holds, over SHA-256, SHA-384 or SHA-512, and its imprint is of these very bytes.
(5) The time with its accuracy, one second where the policy is the baseline and says none, lies in the validity of the
    authority's chain. The same range must lie in that of the signer's chain: whoever asks compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Self

import rfc3161_client
from cryptography import x509

from router.errors import InvalidSignatureError
from router.reasons import Flaw
from router.steps import Steps
from router.verification.documents import malformed
from router.verification.libraries import reading
from router.verification.notation.certificates import Certificate, Chain, Period
from router.verification.notation.der import element, elements

_WHAT = "a timestamp of a signature"
_CHAIN_LIMIT = 6
CERTIFICATES_LIMIT = 12
"""Certificates that may come along, used or not."""
_HASHES = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}
_BASELINE_POLICY = "0.4.0.2023.1.1"
_GRANTED = bytes.fromhex("3003020100")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_TIMESTAMP_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_SHA2 = tuple(bytes.fromhex(f"06096086480165030402{number:02x}") for number in (1, 2, 3))
_SEQUENCE, _OCTETS, _FIRST = 0x30, 0x04, 0xA0
"""Tags of DER: the last is the first optional part of whatever it stands in."""


def stamped_range(token: bytes, content: bytes, roots: Sequence[Certificate]) -> Steps[Period]:
    """Between which times these bytes were there, by one of these authorities.

    Raises:
        InvalidSignatureError: Nobody whom we know says that of these bytes (timestamp), or the token or one of its
            certificates can't be read or used (malformed, certificate).
    """
    answer, attributes = _read(token)
    with reading(_WHAT):
        signed, info = answer.signed_data, answer.tst_info
        named = [(entry.issuer, entry.serial_number) for entry in signed.signer_infos]
        brought = sorted(signed.certificates)
        function = _HASHES.get(info.message_imprint.hash_algorithm.dotted_string)
        imprint, moment = info.message_imprint.message, info.gen_time.replace(tzinfo=UTC).timestamp()
        algorithms = {entry.dotted_string for entry in signed.digest_algorithms}
        around = _accuracy(info)
    if len(named) != 1 or len(brought) > CERTIFICATES_LIMIT:
        raise _wrong("is not by exactly one signer, or brings more certificates than are looked at")
    if function is None or not algorithms <= _HASHES.keys():
        raise _wrong("is over a hash that is not accepted")
    if function(content).digest() != imprint:
        raise _wrong("is of another signature")
    certificates = [Certificate.from_der(der, "a certificate of a timestamp") for der in brought]
    yield
    leaf = _named(certificates, named[0])
    if not _says_signer(attributes, leaf):
        raise _wrong("does not say with which certificate it is signed")
    chain = yield from _chain(leaf, certificates, roots)
    _expect_signed(answer, content, chain)
    stamped = Period(moment - around, moment + around)
    if not (chain.period.covers(stamped.begin) and chain.period.covers(stamped.end)):
        raise _wrong("was made when its authority's certificates were not valid")
    return stamped


def _read(token: bytes) -> tuple[rfc3161_client.TimeStampResponse, Sequence[bytes]]:
    try:
        found = _Token.read(token)
        return rfc3161_client.decode_timestamp_response(element(_SEQUENCE, _GRANTED + found.ordered)), found.attributes
    except (ValueError, TypeError) as error:
        raise malformed(_WHAT, "can't be read, or is not by exactly one signer over a hash that is accepted") from error


def _accuracy(info: rfc3161_client.TimeStampTokenInfo) -> float:
    accuracy: rfc3161_client.tsp.Accuracy | None = info.accuracy  # absent in many, whatever the library's types say
    if accuracy is None:
        return 1.0 if info.policy.dotted_string == _BASELINE_POLICY else 0.0
    return (accuracy.seconds or 0) + (accuracy.millis or 0) / 1e3 + (accuracy.micros or 0) / 1e6


def _named(certificates: Sequence[Certificate], named: tuple[x509.Name, int]) -> Certificate:
    for certificate in certificates:
        if (certificate.issuer, certificate.parsed.serial_number) == named:
            return certificate
    raise _wrong("has not brought the certificate that it is signed with")


def _chain(leaf: Certificate, brought: Sequence[Certificate], roots: Sequence[Certificate]) -> Steps[Chain]:
    """From the leaf upwards to a root that is trusted, by whatever came along."""
    path = [leaf]
    while len(path) <= _CHAIN_LIMIT:
        yield
        if (root := next((entry for entry in roots if path[-1].is_issued_by(entry)), None)) is not None:
            complete = path if root.der == path[-1].der else [*path, root]
            return (yield from Chain.checked(complete, is_for_code=False))
        above = next((entry for entry in brought if entry not in path and path[-1].is_issued_by(entry)), None)
        if above is None:
            break
        path.append(above)
    raise _wrong("is by no authority that is trusted")


def _expect_signed(answer: rfc3161_client.TimeStampResponse, content: bytes, chain: Chain) -> None:
    verifier = rfc3161_client.VerifierBuilder(
        tsa_certificate=chain.signer.parsed,
        intermediates=[entry.parsed for entry in chain.certificates[1:-1]],
        roots=[chain.certificates[-1].parsed],
    ).build()
    try:
        verifier.verify_message(answer, content)
    except (rfc3161_client.VerificationError, ValueError, TypeError) as error:
        raise _wrong("is not signed by the authority that it names") from error


def _says_signer(attributes: Sequence[bytes], leaf: Certificate) -> bool:
    """Whether signed attributes name this certificate by ESSCertIDv2: SHA-256 is its default and then left out."""
    hashed = element(_OCTETS, hashlib.sha256(leaf.der).digest())
    for attribute in attributes:
        if attribute.startswith(_SIGNING_CERTIFICATE_V2):
            try:
                ((_, values),) = elements(attribute.removeprefix(_SIGNING_CERTIFICATE_V2))
                ((_, value),) = elements(values)
                (_, identifiers), *_ = elements(value)
                (_, first), *_ = elements(identifiers)
            except ValueError:
                return False
            return first.startswith(hashed)
    return False


@dataclass(frozen=True, slots=True)
class _Token:
    """What the library does not say of a token."""

    ordered: bytes
    """The token, with its certificates in DER's order."""
    attributes: Sequence[bytes]
    """What its signer has signed, each by name and values."""

    @classmethod
    def read(cls, token: bytes) -> Self:
        """Walk through one; raises ValueError where it is none."""
        ((_, content),) = elements(token)
        kind, (_, explicit) = elements(content)
        ((_, signed),) = elements(explicit)
        parts = [
            (tag, b"".join(sorted(element(*entry) for entry in elements(value))) if tag == _FIRST else value)
            for tag, value in elements(signed)
        ]
        _, _, (_, encapsulated), *_, (_, signers) = parts
        ((_, signer),) = elements(signers)
        _, _, (_, function), (is_signed, attributes), *_ = elements(signer)
        if not encapsulated.startswith(_TIMESTAMP_INFO) or is_signed != _FIRST or not function.startswith(_SHA2):
            raise ValueError("no timestamp that is signed as it should be")
        data = element(_SEQUENCE, b"".join(element(*part) for part in parts))
        ordered = element(_SEQUENCE, element(*kind) + element(_FIRST, data))
        return cls(ordered, [value for _, value in elements(attributes)])


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=Flaw.TIMESTAMP)
