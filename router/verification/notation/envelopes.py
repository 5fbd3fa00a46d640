"""The two envelopes of Notation as one value: what was signed, by whom as it says, and beside it what nobody signed.

Sources: Notary Project, signature-envelope-jws.md and signature-envelope-cose.md; RFC 7515 section 7.2.2 (flattened
JSON); RFC 9052 sections 4.2 and 4.4 (COSE_Sign1, Sig_structure); RFC 8949 (CBOR). Pure. Rules:

(1) Which of the two it is, is said by the layer's media type and by nothing inside.
(2) An envelope has at most 256 KiB, a chain at most 8 certificates, each and the timestamp at most 32 KiB.
(3) What nobody vouches for is read for the members that are needed; of equal names in JSON the last is taken, which
    proves nothing. The protected header is read when its key has signed it, and in one way only; so is the whole
    envelope where it would count.
(4) CBOR: definite lengths, no name twice, at most 4 levels, nothing behind the value, and no tags but those of the
    envelope (18, in its shortest form) and of times (1): a reader's tags for numbers, texts and patterns are code that
    strangers would choose.
(5) base64url is without padding and without breaks; certificates and timestamps in JWS are base64 with padding.
(6) A chain stands in the unprotected header. COSE allows it in the protected one, too, which nobody writes: an envelope
    without one outside has none.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cbor2
import msgspec
from msgspec import Struct, field

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed, read_members, read_object, standard_base64
from router.verification.keys import SignedBytes

ENVELOPE_LIMIT = 256 * 1024
"""Bytes of an envelope: real ones have two to twenty thousand."""
PART_LIMIT = 32 * 1024
"""Bytes of one certificate, or of a timestamp with the certificates that come along."""
CHAIN_LIMIT = 8
"""Certificates of a chain, the root included."""
JWS_TYPE = "application/jose+json"
COSE_TYPE = "application/cose"
ENVELOPE_TYPES = (JWS_TYPE, COSE_TYPE)

TIMESTAMP = "io.cncf.notary.timestampSignature"
_WHAT = "an envelope of Notation"
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_SIGN1 = b"\xd2\x84"
"""Tag 18 and an array of four, both in their shortest form."""
_X5CHAIN = 33
DEPTH_LIMIT = 4
"""Levels of CBOR; an envelope has three."""

Header: TypeAlias = Mapping[object, object]
"""A protected header. Names are texts, in COSE also numbers; times in COSE are `Moment`s."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as CBOR has it (RFC 8949 section 3.4.2), in Unix time in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """What somebody has signed. Made from an envelope and the same as `SignedBytes`, in no other way."""

    header: Header
    payload: bytes


@dataclass(frozen=True, slots=True)
class UncheckedEnvelope:
    """An envelope that nobody has checked yet."""

    media_type: str
    content: bytes
    """What the signature must be over: header and payload."""
    signature: bytes
    payload: bytes
    protected: bytes
    chain: tuple[bytes, ...]
    """Certificates in DER, the signer's first; at least one."""
    timestamp: bytes | None
    """An RFC 3161 token over the signature."""

    def opened(self, signed: SignedBytes) -> SignedStatement:
        """What its signer said, for whoever holds it as signed.

        Raises:
            InvalidSignatureError: The header can't be read in one way only (malformed).
        """
        if signed.content != self.content:
            raise ValueError("something else was signed")
        what = "the protected header of an envelope of Notation"
        if self.media_type == JWS_TYPE:
            return SignedStatement(dict(read_object(self.protected, what).items()), self.payload)
        found = _cbor(self.protected, what)
        if not isinstance(found, Mapping) or not all(type(name) in (int, str) for name in found):
            raise malformed(what, "is not a map with numbers and texts as names")
        return SignedStatement(found, self.payload)


def read_envelope(media_type: str, body: bytes) -> UncheckedEnvelope:
    """Read an envelope of this media type.

    Raises:
        InvalidSignatureError: It is none (malformed), too large (too_large), or of another type (media_type).
    """
    if len(body) > ENVELOPE_LIMIT:
        raise InvalidSignatureError(f"{_WHAT} has more than {ENVELOPE_LIMIT} bytes", reason=EvidenceFlaw.TOO_LARGE)
    if (reader := _READERS.get(media_type)) is None:
        raise InvalidSignatureError("a layer of Notation's is of another media type", reason=EvidenceFlaw.MEDIA_TYPE)
    envelope = reader(body)
    if not 0 < len(envelope.chain) <= CHAIN_LIMIT:
        raise malformed(_WHAT, f"has {len(envelope.chain)} certificates instead of 1 to {CHAIN_LIMIT}")
    if any(len(part) > PART_LIMIT for part in (*envelope.chain, envelope.timestamp or b"")):
        raise InvalidSignatureError(
            f"a part of {_WHAT} has more than {PART_LIMIT} bytes", reason=EvidenceFlaw.TOO_LARGE
        )
    return envelope


def expect_one_meaning(media_type: str, body: bytes) -> None:
    """Refuse an envelope that could be read in two ways, where it counts (3); CBOR was read so from the beginning.

    Raises:
        InvalidSignatureError: It is no UTF-8, or a name stands twice (malformed).
    """
    if media_type == JWS_TYPE:
        read_object(body, _WHAT)


class _Unprotected(Struct, gc=False, frozen=True):
    x5c: list[str]
    timestamp: str | None = field(default=None, name=TIMESTAMP)


class _Jws(Struct, gc=False, frozen=True):
    payload: str
    protected: str
    header: _Unprotected
    signature: str


_JWS = msgspec.json.Decoder(_Jws)


def _jws(body: bytes) -> UncheckedEnvelope:
    found = read_members(_JWS, body, _WHAT)
    if len(found.header.x5c) > CHAIN_LIMIT:
        raise malformed(_WHAT, f"has more than {CHAIN_LIMIT} certificates")
    timestamp = found.header.timestamp
    return UncheckedEnvelope(
        JWS_TYPE,
        f"{found.protected}.{found.payload}".encode(),
        _url_safe(found.signature),
        _url_safe(found.payload),
        _url_safe(found.protected),
        tuple(standard_base64(text, _WHAT) for text in found.header.x5c),
        standard_base64(timestamp, _WHAT) if timestamp else None,
    )


def _url_safe(text: str) -> bytes:
    if _URL_SAFE.fullmatch(text) is None or len(text) % 4 == 1:
        raise malformed(_WHAT, "holds no base64 of the URL-safe alphabet without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _cose(body: bytes) -> UncheckedEnvelope:
    if not body.startswith(_SIGN1):
        raise malformed(_WHAT, "is not a valid tagged COSE_Sign1")
    match _cbor(body[1:], _WHAT):
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise malformed(_WHAT, "is not a valid COSE_Sign1")
    chain = unprotected.get(_X5CHAIN)
    timestamp = unprotected.get(TIMESTAMP)
    if isinstance(chain, bytes):  # RFC 9360 section 2: a single certificate stands by itself
        chain = [chain]
    if not isinstance(chain, list) or not all(isinstance(der, bytes) for der in chain):
        raise malformed(_WHAT, "has no chain of certificates")
    if timestamp is not None and not isinstance(timestamp, bytes):
        raise malformed(_WHAT, "has a timestamp that is none")
    content = cbor2.dumps(["Signature1", protected, b"", payload])
    return UncheckedEnvelope(COSE_TYPE, content, signature, payload, protected, tuple(chain), timestamp or None)


_READERS: Mapping[str, Callable[[bytes], UncheckedEnvelope]] = {JWS_TYPE: _jws, COSE_TYPE: _cose}


def _refused(value: object, immutable: bool) -> object:  # noqa: ARG001, FBT001 - cbor2 calls it so
    raise ValueError("a tag that does not belong here")


def _moment(value: object, immutable: bool) -> Moment:  # noqa: ARG001, FBT001 - cbor2 calls it so
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a time is a number")  # cbor2 makes a CBORDecodeError of it
    return Moment(float(value))


class _OnlyTimes(dict[int, Callable[[object, bool], object]]):
    """What to do with each tag: every one that is not named is refused (4)."""

    def __missing__(self, tag: int) -> Callable[[object, bool], object]:
        return _refused


_TAGS = _OnlyTimes({1: _moment})


def _cbor(body: bytes, what: str) -> object:
    source = io.BytesIO(body)
    decoder = cbor2.CBORDecoder(
        source, semantic_decoders=_TAGS, max_depth=DEPTH_LIMIT, allow_indefinite=False, allow_duplicate_keys=False
    )
    try:
        found: object = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise malformed(what, "is not valid CBOR that can be read in one way only") from error
    if source.tell() != len(body):
        raise malformed(what, "has something behind its end")
    return found
