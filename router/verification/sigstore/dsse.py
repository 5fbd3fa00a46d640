"""The DSSE envelope: what was signed, of which type, and the bytes that the signature is over. Pure.

Source: secure-systems-lab/dsse, protocol.md v1.0 and envelope.md; the envelope stands in a bundle as ProtoJSON.

Rules:
(1) Exactly one signature. DSSE allows several; a Sigstore bundle does not (sigstore protobuf-specs, Bundle), and which
    of them counts would be another question that two readers answer differently.
(2) The type of the payload is an in-toto statement and nothing else.
(3) What is signed is PAE(type, payload), so that a signature over one type is none over another. The payload is
    taken out of the signed bytes again, never from the envelope, so that what is read is what was signed.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed, protobuf_base64, read_members
from router.verification.keys import SignedBytes

IN_TOTO_TYPE = "application/vnd.in-toto+json"
SIGNATURES_LIMIT = 16 * 1024
"""Bytes of the list of signatures: one by the largest key has some 1,400, and a key's id."""


class WrittenSignature(msgspec.Struct):
    """A signature, as it is written."""

    sig: str | None = None


class WrittenEnvelope(msgspec.Struct, rename="camel"):
    """The members of an envelope, as they are written."""

    payload: str | None = None
    payload_type: str | None = None
    signatures: msgspec.Raw = msgspec.Raw(b"null")


_SIGNATURES = msgspec.json.Decoder(list[WrittenSignature] | None)


@dataclass(frozen=True, slots=True)
class DsseEnvelope:
    """A DSSE envelope with an in-toto payload and one signature, which nobody has checked yet."""

    payload: bytes
    signature: bytes

    @property
    def signed_content(self) -> bytes:
        """The bytes that the signature must be over."""
        return pae(IN_TOTO_TYPE, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def payload_of(signed: SignedBytes) -> bytes:
    """The in-toto payload that a key has signed; raises InvalidSignatureError(payload_type) where it signed no such."""
    kind = IN_TOTO_TYPE.encode()
    prefix = b"DSSEv1 %d %s " % (len(kind), kind)
    _, _, payload = signed.content.removeprefix(prefix).partition(b" ")
    if signed.content != pae(IN_TOTO_TYPE, payload):
        raise InvalidSignatureError(
            "a key signed something else than an in-toto statement", reason=EvidenceFlaw.PAYLOAD_TYPE
        )
    return payload


def read_envelope(written: WrittenEnvelope) -> DsseEnvelope:
    """Read an envelope in ProtoJSON.

    Raises:
        InvalidSignatureError: It can't be read (malformed), holds none or several signatures (signature_count), or is
            around something else than a statement (payload_type).
    """
    what = "a DSSE envelope"
    text = bytes(written.signatures)
    if len(text) > SIGNATURES_LIMIT:
        raise InvalidSignatureError(f"{what} holds more than one signature", reason=EvidenceFlaw.SIGNATURE_COUNT)
    if (count := len(signatures := read_members(_SIGNATURES, text, what) or [])) != 1:
        raise InvalidSignatureError(
            f"{what} holds {count} signatures instead of one", reason=EvidenceFlaw.SIGNATURE_COUNT
        )
    if written.payload_type != IN_TOTO_TYPE:
        raise InvalidSignatureError(f"{what} holds no in-toto statement", reason=EvidenceFlaw.PAYLOAD_TYPE)
    if not (signature := protobuf_base64(signatures[0].sig or "", what)):
        raise malformed(what, "holds an empty signature")
    return DsseEnvelope(protobuf_base64(written.payload or "", what), signature)
