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

from collections.abc import Mapping
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.verification.documents import malformed, objects_at, protobuf_base64, text_at
from router.verification.evidence import Flaw
from router.verification.keys import SignedBytes

IN_TOTO_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Envelope:
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
        raise InvalidSignatureError("a key signed something else than an in-toto statement", reason=Flaw.PAYLOAD_TYPE)
    return payload


def read_envelope(document: Mapping[str, object]) -> Envelope:
    """Read an envelope in ProtoJSON.

    Raises:
        InvalidSignatureError: It can't be read (malformed), holds none or several signatures (signature_count), or is
            around something else than a statement (payload_type).
    """
    what = "a DSSE envelope"
    if (count := len(signatures := objects_at(document, "signatures", what))) != 1:
        raise InvalidSignatureError(f"{what} holds {count} signatures instead of one", reason=Flaw.SIGNATURE_COUNT)
    if text_at(document, "payloadType", what) != IN_TOTO_TYPE:
        raise InvalidSignatureError(f"{what} holds no in-toto statement", reason=Flaw.PAYLOAD_TYPE)
    signature = protobuf_base64(text_at(signatures[0], "sig", what), what)
    if not signature:
        raise malformed(what, "holds an empty signature")
    return Envelope(protobuf_base64(text_at(document, "payload", what), what), signature)
