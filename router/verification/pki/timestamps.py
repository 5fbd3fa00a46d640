"""RFC 3161 timestamps: what one says, who has signed it, and whether that holds. Pure.

Sources: RFC 3161 section 2.4.2 (TimeStampResp, TSTInfo); RFC 5652 sections 5.1 to 5.6 and 11 (SignedData, signed
attributes); RFC 5035 section 3 and RFC 2634 section 5.4 (signing certificate). Rules:

(1) Everything is read once and in one way, as DER; only the set of certificates may be in any order, which nobody has
    signed and several authorities write as they like. What is read as said is what is signed.
(2) One signer, named by issuer and serial number. What it signs are its signed attributes, which must be there: the
    content's type and its hash under the signer's own algorithm, each once.
(3) They name the certificate, by `signingCertificateV2` over SHA-2, or by `signingCertificate` over SHA-1 where the
    scheme takes that: no attack on SHA-1 helps where the certificate is one that is trusted already.
(4) SHA-256, SHA-384 and SHA-512 only, for the imprint, the digest and the signature. ECDSA, RSA PKCS#1 v1.5, RSASSA-PSS
    and Ed25519, by the kind of the key. PSS says everything itself (RFC 4056 section 2.2): the digest's own hash, MGF1
    over the same, and a salt that the key has room for (OpenSSL fills it); its defaults are SHA-1's and so refused.

Not done here: who is trusted, which certificates may tell the time, and when. Each scheme has its own rules for that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed
from router.verification.pki import signatures
from router.verification.pki.certificates import Certificate, Naming
from router.verification.pki.der import INTEGER, OBJECT, OCTETS, SEQUENCE, SET, Value, read
from router.verification.pki.signatures import SHA2

_WHAT = "a timestamp"
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")
_SIGNING_CERTIFICATE_2 = bytes.fromhex("2a864886f70d010910022f")
_FIRST, _MILLIS, _MICROS, _TIME = 0xA0, 0x80, 0x81, 0x18
"""Tags: the first optional part of whatever it stands in, parts of an accuracy, and a GeneralizedTime."""
_GRANTED = b"\x00"
_MOMENT = re.compile(rb"[0-9]{14}(?:\.[0-9]{1,9})?Z")
_PARTS_LIMIT = 999


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a timestamp says, with what it takes to check it; nobody has."""

    moment: float
    """Unix time in seconds."""
    accuracy: float | None
    """Seconds around the moment; None where it says nothing."""
    policy: bytes
    """The object identifier of the authority's policy, encoded."""
    signer: Naming
    certificates: tuple[bytes, ...]
    """What came along, in DER, as ordered there."""
    _imprint: tuple[bytes, bytes]
    _content: bytes
    _info: Sequence[Value]

    def is_over(self, content: bytes) -> bool:
        """Whether it is of these very bytes; raises InvalidSignatureError(timestamp) where its hash is not accepted."""
        algorithm, imprint = self._imprint
        return _digest(algorithm)(content).digest() == imprint

    def expect_signed_by(self, certificate: Certificate, *, takes_sha1: bool) -> None:
        """Make sure that this certificate's key has signed it, and that it names this certificate.

        Args:
            certificate: Of the signer that it names.
            takes_sha1: Whether the certificate may be named by its SHA-1 (3).

        Raises:
            InvalidSignatureError: It has not (timestamp), or nobody can read it (malformed).
        """
        digest_algorithm, attributes, algorithm, signature = self._info
        identifier = _object_in(digest_algorithm)
        said = _attributes(attributes)
        hashed = _digest(identifier)(self._content).digest()
        if said.get(_CONTENT_TYPE) != _only(OBJECT, _TST_INFO) or said.get(_MESSAGE_DIGEST) != _only(OCTETS, hashed):
            raise _wrong("has signed attributes about something else")
        if not _names(said, certificate, takes_sha1=takes_sha1):
            raise _wrong("does not name the certificate that is to have signed it")
        content = bytes([SET]) + attributes.whole[1:]  # RFC 5652 section 5.4: as a set, whatever its tag was
        if not signatures.has_signed(certificate.key, signature.content, content, algorithm, SHA2[identifier]):
            raise _wrong("is not signed by the authority that it names")


def read_response(response: bytes) -> Stamp:
    """Read an answer of a timestamp authority.

    Raises:
        InvalidSignatureError: It was not granted as asked (timestamp), or nobody can read it (malformed).
    """
    parts = read(response, _WHAT).children(_WHAT)
    status = parts[0].children(_WHAT) if parts and parts[0].tag == SEQUENCE else ()
    if not status or (status[0].tag, status[0].content) != (INTEGER, _GRANTED):
        raise _wrong("was not granted as asked")
    _expect(len(parts) == 2)  # noqa: PLR2004 - status and token
    return read_token(parts[1].whole)


def read_token(token: bytes) -> Stamp:
    """Read a bare token; raises InvalidSignatureError (timestamp, malformed)."""
    kind, wrapped = _pair(read(token, _WHAT))
    _expect(kind == _SIGNED_DATA and wrapped.tag == _FIRST)
    fields = wrapped.only(_WHAT).children(_WHAT)
    _expect(len(fields) >= 4 and fields[1].tag == SET and fields[-1].tag == SET)  # noqa: PLR2004 - and signers
    if not {_object_in(entry) for entry in fields[1].children(_WHAT)} <= SHA2.keys():
        raise _wrong("is over a hash that is not accepted")
    kind, held = _pair(fields[2])
    _expect(kind == _TST_INFO and held.tag == _FIRST)
    octets = held.only(_WHAT)
    _expect(octets.tag == OCTETS)
    brought = fields[3].children(_WHAT) if fields[3].tag == _FIRST else ()
    certificates = tuple(entry.whole for entry in brought if entry.tag == SEQUENCE)
    signers = fields[-1].children(_WHAT)
    if len(signers) != 1:
        raise _wrong("is not by exactly one signer")
    naming, info = _signer(signers[0])
    return _stamp(octets.content, naming, certificates, info)


def _stamp(content: bytes, signer: Naming, certificates: tuple[bytes, ...], info: Sequence[Value]) -> Stamp:
    """TSTInfo ::= version, policy, imprint, serial number, time, accuracy ..."""
    said = read(content, _WHAT).children(_WHAT)
    _expect([field.tag for field in said[1:5]] == [OBJECT, SEQUENCE, INTEGER, _TIME])
    _, policy, over, _, time, *optional = said
    imprint = over.children(_WHAT)
    _expect([part.tag for part in imprint] == [SEQUENCE, OCTETS])
    algorithm = _object_in(imprint[0])
    _digest(algorithm)
    accuracy = _accuracy(optional[0]) if optional and optional[0].tag == SEQUENCE else None
    hashed = algorithm, imprint[1].content
    return Stamp(_moment(time.content), accuracy, policy.content, signer, certificates, hashed, content, info)


def _signer(written: Value) -> tuple[Naming, Sequence[Value]]:
    """SignerInfo: who it is, and digest algorithm, signed attributes, signature algorithm and signature."""
    fields = written.children(_WHAT)
    _expect(len(fields) >= 6)  # noqa: PLR2004 - version, signer, digest, attributes, algorithm, signature
    _, who, digest, attributes, algorithm, signature, *_ = fields
    _expect(who.tag == SEQUENCE and attributes.tag == _FIRST and (algorithm.tag, signature.tag) == (SEQUENCE, OCTETS))
    names = who.children(_WHAT)
    _expect([entry.tag for entry in names] == [SEQUENCE, INTEGER])
    serial = int.from_bytes(names[1].content, "big", signed=True)
    return Naming(names[0].whole, serial), (digest, attributes, algorithm, signature)


def _moment(text: bytes) -> float:
    _expect(_MOMENT.fullmatch(text) is not None)
    try:
        whole = dt.datetime.strptime(text[:14].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise malformed(_WHAT, "has a time that there is not") from error
    return whole.timestamp() + float(text[14:-1] or 0)


def _accuracy(written: Value) -> float:
    found = 0.0
    for part in written.children(_WHAT):
        value = int.from_bytes(part.content, "big", signed=True)
        unit = {INTEGER: 1.0, _MILLIS: 1e-3, _MICROS: 1e-6}.get(part.tag, 0.0)
        _expect(unit > 0 and value >= 0 and (unit == 1.0 or value <= _PARTS_LIMIT))
        found += value * unit
    return found


def _attributes(written: Value) -> Mapping[bytes, bytes]:
    """Each attribute's one value in DER, by type; none stands twice."""
    found: dict[bytes, bytes] = {}
    for attribute in written.children(_WHAT):
        kind, values = _pair(attribute)
        _expect(values.tag == SET and kind not in found)
        found[kind] = values.only(_WHAT).whole
    return found


def _names(said: Mapping[bytes, bytes], signer: Certificate, *, takes_sha1: bool) -> bool:
    """Whether the first certificate that is named is this one (3)."""
    if (newer := said.get(_SIGNING_CERTIFICATE_2)) is not None:
        first, *others = _first_id(newer)
        if first.tag == OCTETS:  # SHA-256 is the default, and then left out
            return first.content == hashlib.sha256(signer.der).digest()
        known = SHA2.get(_object_in(first))
        return known is not None and bool(others) and others[0].content == known.digest(signer.der).digest()
    older = said.get(_SIGNING_CERTIFICATE)
    if older is None or not takes_sha1:
        return False
    return _first_id(older)[0].content == hashlib.sha1(signer.der, usedforsecurity=False).digest()


def _first_id(written: bytes) -> Sequence[Value]:
    """SigningCertificate { certs { ESSCertID ... } }: the members of the first id."""
    found = read(written, _WHAT)
    for _ in range(2):
        inner = found.children(_WHAT)
        _expect(bool(inner))
        found = inner[0]
    parts = found.children(_WHAT)
    _expect(bool(parts))
    return parts


def _digest(identifier: bytes) -> Callable[[bytes], hashlib._Hash]:
    if (known := SHA2.get(identifier)) is None:
        raise _wrong("is over a hash that is not accepted")
    return known.digest


def _pair(value: Value) -> tuple[bytes, Value]:
    """An object identifier, and what belongs to it."""
    parts = value.children(_WHAT)
    _expect(len(parts) == 2 and parts[0].tag == OBJECT)  # noqa: PLR2004 - a pair
    return parts[0].content, parts[1]


def _object_in(algorithm: Value) -> bytes:
    parts = algorithm.children(_WHAT) if algorithm.tag == SEQUENCE else ()
    _expect(bool(parts) and parts[0].tag == OBJECT)
    return parts[0].content


def _only(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def _expect(is_so: bool) -> None:  # noqa: FBT001 - a condition
    if not is_so:
        raise malformed(_WHAT, "is not a valid signed message of one signer")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.TIMESTAMP)
