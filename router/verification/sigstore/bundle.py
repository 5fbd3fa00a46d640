"""The Sigstore bundle: an envelope with what is needed to verify it. Pure.

Source: sigstore/protobuf-specs, sigstore_bundle.proto, as ProtoJSON: absent, null and zero are the same, 64-bit
numbers are texts, base64 comes in either alphabet.

`verificationMaterial` is read by `router.verification.sigstore.material`, and only where it can matter: a key hint is
unsigned and proves nothing either way, a certificate beside a key's signature proves nothing about that key, and log
entries and timestamps are what a pinned key does not need unless they are asked for.

Read twice: first for the members that say whether a trusted key has signed; and only where one has, wholly, for a
bundle that two readers could understand differently must not count. What is around the signature is nobody's, and
anybody can write it around a good one, so that reading has a limit of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.documents import malformed, read_members, read_object
from router.verification.evidence import BUNDLE_TYPE
from router.verification.sigstore.dsse import DsseEnvelope, WrittenEnvelope, read_envelope

VALUES_LIMIT = 10_000
"""Objects, lists and members of a bundle that counts: real ones have some hundred with their log entries."""
_NULL = b"null"

_KNOWN = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\.v0\.3(?:\.[0-9]+)?\+json|\+json;version=0\.[123])", re.ASCII
)
_CURRENT = frozenset({BUNDLE_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle around a DSSE envelope, which nobody has checked yet."""

    envelope: DsseEnvelope
    is_current: bool
    """Whether it is of version 0.3, the only one in which cosign signs images."""
    needs_proof: bool
    """Whether its version promises a proof of inclusion with each log entry: all but 0.1."""


class _Written(msgspec.Struct, rename="camel"):
    media_type: str | None = None
    message_signature: msgspec.Raw = msgspec.Raw(_NULL)
    dsse_envelope: WrittenEnvelope | None = None


_MEMBERS = msgspec.json.Decoder(_Written)


def read_bundle(body: bytes) -> Steps[Bundle]:
    """Read what a bundle says of its signature, while nobody vouches for it; members first, then base64.

    Raises:
        InvalidSignatureError: It can't be read (malformed), is of an unknown version (media_type), holds a bare
            signature (message_signature), or its envelope is unfit (signature_count, payload_type).
    """
    what = "a bundle"
    written = read_members(_MEMBERS, body, what)
    media_type = written.media_type or ""
    if _KNOWN.fullmatch(media_type) is None:
        raise InvalidSignatureError(f"{what} does not say a known version", reason=EvidenceFlaw.MEDIA_TYPE)
    if bytes(written.message_signature) != _NULL:
        raise InvalidSignatureError(
            f"{what} holds a bare signature, which does not say what it is about", reason=EvidenceFlaw.MESSAGE_SIGNATURE
        )
    if written.dsse_envelope is None:
        raise malformed(what, "has no object `dsseEnvelope`")
    yield
    envelope = read_envelope(written.dsse_envelope)
    return Bundle(envelope, media_type in _CURRENT, not media_type.endswith("version=0.1"))


def expect_one_meaning(body: bytes) -> Mapping[str, object]:
    """Make sure that every reader understands a bundle as `read_bundle` did: no name stands twice at any depth.

    Returns:
        The whole bundle.

    Raises:
        InvalidSignatureError: It can be read in two ways (malformed), or holds too much to find out (too_many).
    """
    if sum(body.count(mark) for mark in (b"{", b"[", b",")) > VALUES_LIMIT:
        raise InvalidSignatureError(f"a bundle holds more than {VALUES_LIMIT} values", reason=EvidenceFlaw.TOO_MANY)
    return read_object(body, "a bundle")
