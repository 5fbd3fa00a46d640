"""What a log holds about a signature, and whether that is this very signature. Pure.

Sources: sigstore/rekor pkg/types (hashedrekord 0.0.1, dsse 0.0.1, intoto 0.0.2); sigstore/rekor-tiles api
(hashedrekord 0.0.2, and dsse 0.0.2, which was withdrawn and stands in logs).

Rules:
(1) An entry proves something about the signature, the bytes that were signed and the key or certificate only together:
    all three must be those of the evidence. Certificates and keys are compared as DER, since PEM can be wrapped anyhow.
(2) A hash is compared under its own algorithm: SHA-256, SHA-384 or SHA-512.
(3) The body itself says its kind and version; what the evidence says of it beside is a hint.
(4) The hash of the envelope (dsse 0.0.1, intoto 0.0.2) is not compared: it is over JSON as the signer once sent it.
(5) Exactly one signature per entry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import (
    object_at,
    objects_at,
    protobuf_base64,
    read_object,
    standard_base64,
    text_at,
)

BODY_LIMIT = 128 * 1024
"""Bytes of an entry: real ones have two to five thousand."""
_WHAT = "a log entry"
_PEM = re.compile(r"-----BEGIN (CERTIFICATE|PUBLIC KEY)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----\s*", re.ASCII)
_SPACE = re.compile(r"\s", re.ASCII)
_HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Logged:
    """What must have been logged."""

    signature: bytes
    content: bytes
    """What was signed: a payload, or DSSE's encoding of one."""
    payload: bytes | None
    """The payload of a DSSE envelope; None where a payload was signed as it is."""
    verifier: bytes
    """DER of the certificate that came with the signature, or of the key."""
    is_certificate: bool


def expect_body_about(body: bytes, logged: Logged) -> None:
    """Make sure that an entry is about this signature; raises InvalidSignatureError(log_entry, malformed)."""
    if len(body) > BODY_LIMIT:
        raise _wrong("is too large")
    document = read_object(body, _WHAT)
    compare = _KINDS.get((text_at(document, "kind", _WHAT), text_at(document, "apiVersion", _WHAT)))
    if compare is None:
        raise _wrong("is of a kind that says nothing about signatures here")
    if not compare(object_at(document, "spec", _WHAT), logged):
        raise _wrong("is about another signature")


def _hashedrekord_1(spec: Mapping[str, object], logged: Logged) -> bool:
    digest = object_at(object_at(spec, "data", _WHAT), "hash", _WHAT)
    signature = object_at(spec, "signature", _WHAT)
    return (
        _is_hash(digest, logged.content)
        and _plain(signature, "content") == logged.signature
        and _is_verifier(_plain(object_at(signature, "publicKey", _WHAT), "content"), logged)
    )


def _dsse_1(spec: Mapping[str, object], logged: Logged) -> bool:
    signatures = objects_at(spec, "signatures", _WHAT)
    return (
        logged.payload is not None
        and len(signatures) == 1
        and _is_hash(object_at(spec, "payloadHash", _WHAT), logged.payload)
        and _plain(signatures[0], "signature") == logged.signature
        and _is_verifier(_plain(signatures[0], "verifier"), logged)
    )


def _intoto_2(spec: Mapping[str, object], logged: Logged) -> bool:
    content = object_at(spec, "content", _WHAT)
    signatures = objects_at(object_at(content, "envelope", _WHAT), "signatures", _WHAT)
    if logged.payload is None or len(signatures) != 1:
        return False
    twice = _plain(signatures[0], "sig")  # base64 of base64: rekor encodes the text that stands in the envelope
    return (
        _is_hash(object_at(content, "payloadHash", _WHAT), logged.payload)
        and standard_base64(_ascii(twice), _WHAT) == logged.signature
        and _is_verifier(_plain(signatures[0], "publicKey"), logged)
    )


def _hashedrekord_2(spec: Mapping[str, object], logged: Logged) -> bool:
    inner = object_at(spec, "hashedRekordV002", _WHAT)
    return _is_hash_2(object_at(inner, "data", _WHAT), logged.content) and _is_signature_2(
        object_at(inner, "signature", _WHAT), logged
    )


def _dsse_2(spec: Mapping[str, object], logged: Logged) -> bool:
    inner = object_at(spec, "dsseV002", _WHAT)
    signatures = objects_at(inner, "signatures", _WHAT)
    return (
        logged.payload is not None
        and len(signatures) == 1
        and _is_hash_2(object_at(inner, "payloadHash", _WHAT), logged.payload)
        and _is_signature_2(signatures[0], logged)
    )


_KINDS: Mapping[tuple[str, str], Callable[[Mapping[str, object], Logged], bool]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord_1,
    ("dsse", "0.0.1"): _dsse_1,
    ("intoto", "0.0.2"): _intoto_2,
    ("hashedrekord", "0.0.2"): _hashedrekord_2,
    ("dsse", "0.0.2"): _dsse_2,
}


def _is_hash(written: Mapping[str, object], content: bytes) -> bool:
    function = _HASHES.get(text_at(written, "algorithm", _WHAT))
    return function is not None and function(content).hexdigest() == text_at(written, "value", _WHAT)


def _is_hash_2(written: Mapping[str, object], content: bytes) -> bool:
    function = _HASHES.get(text_at(written, "algorithm", _WHAT).lower().replace("sha2_", "sha"))
    return function is not None and function(content).digest() == protobuf_base64(
        text_at(written, "digest", _WHAT), _WHAT
    )


def _is_signature_2(written: Mapping[str, object], logged: Logged) -> bool:
    verifier = object_at(written, "verifier", _WHAT)
    held = object_at(verifier, "x509Certificate" if logged.is_certificate else "publicKey", _WHAT)
    return (
        protobuf_base64(text_at(written, "content", _WHAT), _WHAT) == logged.signature
        and protobuf_base64(text_at(held, "rawBytes", _WHAT), _WHAT) == logged.verifier
    )


def _is_verifier(pem: bytes, logged: Logged) -> bool:
    match = _PEM.fullmatch(_ascii(pem))
    if match is None or (match[1] == "CERTIFICATE") != logged.is_certificate:
        return False
    return standard_base64(_SPACE.sub("", match[2]), _WHAT) == logged.verifier


def _plain(written: Mapping[str, object], name: str) -> bytes:
    return standard_base64(text_at(written, name, _WHAT), _WHAT)


def _ascii(text: bytes) -> str:
    return text.decode("ascii", "replace")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.LOG_ENTRY)
