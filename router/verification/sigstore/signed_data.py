"""The signature of a timestamp's CMS message, checked against the one certificate that must have made it. Pure.

Sources: RFC 5652 sections 5.3 to 5.6 and 11 (SignedData, signed attributes), RFC 3161 section 2.4.2, RFC 5035 and
RFC 2634 (signing certificate). `rfc3161-client` could check it, but builds and checks the authority's whole path anew
each time, which the trusted root was read for once: that took most of the time of a verification.

Rules:
(1) One signer. What it signs are its signed attributes, which must be there, encoded as a SET.
(2) They say the content's type (a timestamp's information) and its hash under the signer's own algorithm, each once.
(3) They name the certificate, by its SHA-256 (`signingCertificateV2`) or SHA-1 (`signingCertificate`: no attack on
    SHA-1 helps, since the certificate is one that is trusted already).
(4) SHA-256, SHA-384 and SHA-512 only; ECDSA, RSA PKCS#1 v1.5 and Ed25519 by the kind of the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from router.errors import InvalidSignatureError
from router.reasons import Flaw
from router.verification.documents import malformed
from router.verification.sigstore.certificates import Certificate
from router.verification.sigstore.der import OBJECT, OCTETS, SEQUENCE, SET, Value, read

_WHAT = "a timestamp"
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")
_SIGNING_CERTIFICATE_2 = bytes.fromhex("2a864886f70d010910022f")
_EXPLICIT, _IMPLICIT_SET = 0xA0, 0xA0
_HASHES: Mapping[bytes, tuple[Callable[[bytes], hashlib._Hash], hashes.HashAlgorithm]] = {
    bytes.fromhex("608648016503040201"): (hashlib.sha256, hashes.SHA256()),
    bytes.fromhex("608648016503040202"): (hashlib.sha384, hashes.SHA384()),
    bytes.fromhex("608648016503040203"): (hashlib.sha512, hashes.SHA512()),
}
_SHA256 = next(iter(_HASHES))
_SIGNATURE_HASHES: Mapping[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("2a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("2a8648ce3d040304"): hashes.SHA512(),
    bytes.fromhex("2a864886f70d01010b"): hashes.SHA256(),
    bytes.fromhex("2a864886f70d01010c"): hashes.SHA384(),
    bytes.fromhex("2a864886f70d01010d"): hashes.SHA512(),
}
"""By the algorithm of the signature (ecdsa-with-SHA2, sha2WithRSAEncryption); where it says none, by the digest's."""


def expect_signed_by(response: bytes, signer: Certificate) -> bytes:
    """Make sure that this certificate's key has signed a timestamp response.

    Returns:
        The timestamp's information (TSTInfo) in DER, as it was signed.

    Raises:
        InvalidSignatureError: It has not (timestamp), or nobody can read it (malformed).
    """
    content, signed = _parts(response)
    fields = list(signed.children(_WHAT))
    _expect(len(fields) >= 6)  # noqa: PLR2004 - version, signer, digest, attributes, algorithm, signature
    digest_algorithm, attributes, signature = fields[2], fields[3], fields[5]
    _expect(attributes.tag == _IMPLICIT_SET and signature.tag == OCTETS and fields[4].tag == SEQUENCE)
    known = _HASHES.get(_object_in(digest_algorithm))
    if known is None:
        raise _wrong("is signed over a hash that is not accepted")
    digest, algorithm = known
    said = _attributes(attributes)
    if said.get(_CONTENT_TYPE) != _object(_TST_INFO) or said.get(_MESSAGE_DIGEST) != _octets(digest(content).digest()):
        raise _wrong("has signed attributes about something else")
    if not _names(said, signer):
        raise _wrong("does not name the certificate that is to have signed it")
    algorithm = _SIGNATURE_HASHES.get(_object_in(fields[4]), algorithm)
    if not _has_signed(signer, signature.content, bytes([SET]) + attributes.whole[1:], algorithm):
        raise _wrong("is not signed by the authority that it names")
    return content


def _parts(response: bytes) -> tuple[bytes, Value]:
    """The content, and the one signer's information."""
    outer = read(response, _WHAT).children(_WHAT)
    _expect(len(outer) == 2)  # noqa: PLR2004 - status and token
    kind, wrapped = _pair(outer[1])
    _expect(kind == _SIGNED_DATA and wrapped.tag == _EXPLICIT)
    fields = wrapped.only(_WHAT).children(_WHAT)
    _expect(len(fields) >= 4)  # noqa: PLR2004 - version, algorithms, content, signers
    kind, held = _pair(fields[2])
    _expect(kind == _TST_INFO and held.tag == _EXPLICIT and fields[-1].tag == SET)
    octets = held.only(_WHAT)
    _expect(octets.tag == OCTETS)
    return octets.content, fields[-1].only(_WHAT)


def _attributes(written: Value) -> Mapping[bytes, bytes]:
    """Each attribute's one value in DER, by type; none stands twice."""
    found: dict[bytes, bytes] = {}
    for attribute in written.children(_WHAT):
        kind, values = _pair(attribute)
        _expect(values.tag == SET and kind not in found)
        found[kind] = values.only(_WHAT).whole
    return found


def _names(said: Mapping[bytes, bytes], signer: Certificate) -> bool:
    """Whether the first certificate that is named is this one (rule 3)."""
    if (newer := said.get(_SIGNING_CERTIFICATE_2)) is not None:
        parts = _first_of_three(newer)
        algorithm = _SHA256 if parts[0].tag == OCTETS else _object_in(parts[0])
        value = parts[0] if parts[0].tag == OCTETS else parts[1]
        known = _HASHES.get(algorithm)
        return known is not None and value.content == known[0](signer.der).digest()
    if (older := said.get(_SIGNING_CERTIFICATE)) is not None:
        return _first_of_three(older)[0].content == hashlib.sha1(signer.der, usedforsecurity=False).digest()
    return False


def _first_of_three(written: bytes) -> Sequence[Value]:
    """SigningCertificate { certs { ESSCertID ... } }: the members of the first id."""
    lists = read(written, _WHAT).children(_WHAT)
    _expect(bool(lists))
    ids = lists[0].children(_WHAT)
    _expect(bool(ids))
    parts = ids[0].children(_WHAT)
    _expect(bool(parts) and (parts[0].tag == OCTETS or len(parts) > 1))
    return parts


def _has_signed(signer: Certificate, signature: bytes, content: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    try:
        match signer.key.material:
            case ec.EllipticCurvePublicKey() as key:
                key.verify(signature, content, ec.ECDSA(algorithm))
            case rsa.RSAPublicKey() as key:
                key.verify(signature, content, padding.PKCS1v15(), algorithm)
            case ed25519.Ed25519PublicKey() as key:  # pragma: no branch - the union is closed
                key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _pair(value: Value) -> tuple[bytes, Value]:
    """An object identifier, and what belongs to it."""
    parts = value.children(_WHAT)
    _expect(len(parts) == 2 and parts[0].tag == OBJECT)  # noqa: PLR2004 - a pair
    return parts[0].content, parts[1]


def _object_in(algorithm: Value) -> bytes:
    parts = algorithm.children(_WHAT) if algorithm.tag == SEQUENCE else ()
    _expect(bool(parts) and parts[0].tag == OBJECT)
    return parts[0].content


def _object(content: bytes) -> bytes:
    return bytes([OBJECT, len(content)]) + content


def _octets(content: bytes) -> bytes:
    return bytes([OCTETS, len(content)]) + content


def _expect(is_so: bool) -> None:  # noqa: FBT001 - a condition
    if not is_so:
        raise malformed(_WHAT, "is no signed message of one signer")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=Flaw.TIMESTAMP)
