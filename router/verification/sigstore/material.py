"""What stands beside a signature to show who made it and when, in one shape for both formats. Pure.

Sources: sigstore/protobuf-specs, sigstore_bundle.proto `VerificationMaterial` and sigstore_rekor.proto, as ProtoJSON
(absent and zero are the same, 64-bit numbers are texts); cosign specs/SIGNATURE_SPEC.md for the annotations of a layer.

Nothing here is proven, and nothing that is not needed is read: key hints, kinds beside the bodies, log inclusion times
without a promise. What is too much is refused before it is decoded: lists have limits where they are defined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import (
    malformed,
    object_at,
    objects_at,
    protobuf_base64,
    read_members,
    read_object,
    standard_base64,
    text_at,
)
from router.verification.evidence import Beside
from router.verification.pki.certificates import certificates_in
from router.verification.sigstore.certificates import INTERMEDIATES_LIMIT
from router.verification.sigstore.log_entries import ENTRIES_LIMIT, InclusionProof, LogEntry
from router.verification.sigstore.merkle import PROOF_LIMIT
from router.verification.sigstore.timestamps import TIMESTAMPS_LIMIT

ANNOTATION_LIMIT = 256 * 1024
"""Characters of one annotation with log material: real ones have some 6,000."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,64}", re.ASCII)
_BUNDLE = "the log material of a bundle"
_ANNOTATION = "the log entry of a legacy signature"


class _WrittenCertificate(msgspec.Struct, rename="camel"):
    raw_bytes: str | None = None


class _WrittenChain(msgspec.Struct):
    certificates: tuple[_WrittenCertificate, ...] = ()


class _WrittenMaterial(msgspec.Struct):
    certificate: _WrittenCertificate | None = None
    x509_certificate_chain: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="x509CertificateChain")


class _WrittenBundle(msgspec.Struct):
    verification_material: _WrittenMaterial = msgspec.field(
        default_factory=_WrittenMaterial, name="verificationMaterial"
    )


_SIGNER = msgspec.json.Decoder(_WrittenBundle)
_CHAIN = msgspec.json.Decoder(_WrittenChain | None)
_CHAIN_LIMIT = 256 * 1024
"""Bytes of a list of certificates: a few of the largest that are read."""


@dataclass(frozen=True, slots=True)
class Material:
    """What came along with one signature, which nobody has checked."""

    certificates: tuple[bytes, ...] = ()
    """DER, the signer's first, then intermediates; empty where a key has signed."""
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    needs_proof: bool = False
    """Whether the format promises a proof of inclusion with each entry."""


def material_of(bundle: Mapping[str, object], *, needs_proof: bool) -> Material:
    """Read the material of a bundle whose JSON has one meaning; raises InvalidSignatureError(malformed, too_many)."""
    written = object_at(bundle, "verificationMaterial", _BUNDLE)
    entries = _limited(objects_at(written, "tlogEntries", _BUNDLE), ENTRIES_LIMIT, "log entries")
    stamps: Sequence[Mapping[str, object]] = ()
    if written.get("timestampVerificationData") is not None:
        data = object_at(written, "timestampVerificationData", _BUNDLE)
        stamps = _limited(objects_at(data, "rfc3161Timestamps", _BUNDLE), TIMESTAMPS_LIMIT, "timestamps")
    return Material(
        _certificates(written),
        tuple(map(_entry, entries)),
        tuple(_bytes_at(stamp, "signedTimestamp") for stamp in stamps),
        needs_proof,
    )


def signer_in(bundle: bytes) -> bytes | None:
    """The certificate of whoever has signed a bundle, in DER, while nobody vouches for it; None without one.

    Raises:
        InvalidSignatureError: It can't be read (malformed).
    """
    written = read_members(_SIGNER, bundle, _BUNDLE).verification_material
    found = written.certificate
    if found is None:
        if len(text := bytes(written.x509_certificate_chain)) > _CHAIN_LIMIT:
            raise malformed(_BUNDLE, "has too many certificates")
        chain = read_members(_CHAIN, text, _BUNDLE)
        found = None if chain is None else next(iter(chain.certificates), None)
    return None if found is None else protobuf_base64(found.raw_bytes or "", _BUNDLE)


def signer_beside(beside: Beside) -> bytes | None:
    """The certificate that the annotations of a layer name, in DER; None without one; raises InvalidSignatureError."""
    found = _pem(beside.certificate)
    return found[0] if found else None


def material_beside(beside: Beside) -> Material:
    """Read the annotations of a layer; raises InvalidSignatureError(malformed)."""
    leaf = _pem(beside.certificate)
    return Material(
        (*leaf, *_pem(beside.chain)) if leaf else (),
        (_legacy_entry(read_object(_limited_text(beside.entry), _ANNOTATION)),) if beside.entry else (),
        (_legacy_timestamp(read_object(_limited_text(beside.timestamp), _ANNOTATION)),) if beside.timestamp else (),
    )


def _pem(text: str) -> tuple[bytes, ...]:
    return (
        certificates_in(_limited_text(text), "a certificate of a legacy signature", INTERMEDIATES_LIMIT + 2)
        if text.strip()
        else ()
    )


def _limited_text(text: str) -> bytes:
    if len(text) > ANNOTATION_LIMIT:
        raise malformed("an annotation of a legacy signature", "is too large")
    return text.encode("utf-8", "replace")


def _certificates(written: Mapping[str, object]) -> tuple[bytes, ...]:
    if written.get("certificate") is not None:
        return (_bytes_at(object_at(written, "certificate", _BUNDLE), "rawBytes"),)
    if written.get("x509CertificateChain") is None:
        return ()
    chain = object_at(written, "x509CertificateChain", _BUNDLE)
    found = _limited(objects_at(chain, "certificates", _BUNDLE), INTERMEDIATES_LIMIT + 2, "certificates")
    return tuple(_bytes_at(each, "rawBytes") for each in found)


def _entry(written: Mapping[str, object]) -> LogEntry:
    promise = written.get("inclusionPromise")
    return LogEntry(
        log_id=_bytes_at(object_at(written, "logId", _BUNDLE), "keyId"),
        index=_number_at(written, "logIndex"),
        time=_number_at(written, "integratedTime"),
        body=_bytes_at(written, "canonicalizedBody"),
        promise=b""
        if promise is None
        else _bytes_at(object_at(written, "inclusionPromise", _BUNDLE), "signedEntryTimestamp"),
        proof=None if written.get("inclusionProof") is None else _proof(object_at(written, "inclusionProof", _BUNDLE)),
    )


def _proof(written: Mapping[str, object]) -> InclusionProof:
    hashes = written.get("hashes") or []
    if not isinstance(hashes, list) or not all(isinstance(each, str) for each in hashes):
        raise malformed(_BUNDLE, "has a proof without hashes")
    if len(hashes) > PROOF_LIMIT:
        raise malformed(_BUNDLE, "has a proof that is too long")
    return InclusionProof(
        index=_number_at(written, "logIndex"),
        size=_number_at(written, "treeSize"),
        root=_bytes_at(written, "rootHash"),
        hashes=tuple(protobuf_base64(each, _BUNDLE) for each in hashes),
        checkpoint=text_at(object_at(written, "checkpoint", _BUNDLE), "envelope", _BUNDLE),
    )


def _legacy_entry(written: Mapping[str, object]) -> LogEntry:
    payload = object_at(written, "Payload", _ANNOTATION)
    log_id, index, time = text_at(payload, "logID", _ANNOTATION), payload.get("logIndex"), payload.get("integratedTime")
    if _HEX.fullmatch(log_id) is None:
        raise malformed(_ANNOTATION, "has no log id")
    return LogEntry(
        log_id=bytes.fromhex(log_id),
        index=_plain_number(index),
        time=_plain_number(time),
        body=standard_base64(text_at(payload, "body", _ANNOTATION), _ANNOTATION),
        promise=standard_base64(text_at(written, "SignedEntryTimestamp", _ANNOTATION), _ANNOTATION),
        proof=None,
    )


def _legacy_timestamp(written: Mapping[str, object]) -> bytes:
    return standard_base64(text_at(written, "SignedRFC3161Timestamp", _ANNOTATION), _ANNOTATION)


def _plain_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise malformed(_ANNOTATION, "has a number that is none")
    return value


def _number_at(written: Mapping[str, object], name: str) -> int:
    """A 64-bit number of ProtoJSON, not negative; zero where it is absent."""
    value = written.get(name)
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None or int(value) >= 1 << 63:
        raise malformed(_BUNDLE, "has a number that is none")
    return int(value)


def _bytes_at(written: Mapping[str, object], name: str) -> bytes:
    return protobuf_base64(text_at(written, name, _BUNDLE), _BUNDLE)


def _limited(found: Sequence[Mapping[str, object]], limit: int, what: str) -> Sequence[Mapping[str, object]]:
    if len(found) > limit:
        raise InvalidSignatureError(f"a bundle has more than {limit} {what}", reason=EvidenceFlaw.TOO_MANY)
    return found
