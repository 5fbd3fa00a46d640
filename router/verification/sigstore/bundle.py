"""The Sigstore bundle: an envelope with what is needed to verify it. Pure.

Source: sigstore/protobuf-specs, sigstore_bundle.proto, as ProtoJSON: absent, null and zero are the same, 64-bit
numbers are texts, base64 comes in either alphabet.

Not read, on purpose: `verificationMaterial`. Its key hint is unsigned and proves nothing either way; a certificate
beside a key's signature proves nothing about that key; log entries and timestamps say *when* something was signed,
which a pinned key does not need. So a keyless bundle is, for a key, a signature by somebody else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.verification.documents import object_at, read_object, text_at
from router.verification.evidence import BUNDLE_TYPE, Flaw
from router.verification.sigstore.dsse import Envelope, read_envelope

_KNOWN = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\.v0\.3(?:\.[0-9]+)?\+json|\+json;version=0\.[123])", re.ASCII
)
_CURRENT = frozenset({BUNDLE_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle around a DSSE envelope, which nobody has checked yet."""

    envelope: Envelope
    is_current: bool
    """Whether it is of version 0.3, the only one in which cosign signs images."""


def read_bundle(body: bytes) -> Bundle:
    """Read a bundle.

    Raises:
        InvalidSignatureError: It can't be read (malformed), is of an unknown version (media_type), holds a bare
            signature (message_signature), or its envelope is unfit (signature_count, payload_type).
    """
    what = "a bundle"
    document = read_object(body, what)
    media_type = text_at(document, "mediaType", what)
    if _KNOWN.fullmatch(media_type) is None:
        raise InvalidSignatureError(f"{what} does not say a known version", reason=Flaw.MEDIA_TYPE)
    if document.get("messageSignature") is not None:
        raise InvalidSignatureError(
            f"{what} holds a bare signature, which does not say what it is about", reason=Flaw.MESSAGE_SIGNATURE
        )
    return Bundle(read_envelope(object_at(document, "dsseEnvelope", what)), media_type in _CURRENT)
