"""Readers that prove nothing by themselves: they must read, or say in their own words that they can't."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Hashable, Iterator
from functools import cache, partial

import msgspec

from router.admission.reading.tolerant import UnreadableJsonError
from router.admission.review import read_review
from router.admission.workloads import read_new_pod, read_workload
from router.errors import (
    InvalidReferenceError,
    InvalidSignatureError,
    MalformedAnswerError,
    ReviewError,
    TooLargeError,
)
from router.images import Digest, parse_reference
from router.registry.challenges import parse_challenges
from router.registry.referrers import parse_index
from router.steps import finish
from router.verification import manifests
from router.verification.evidence import EvidenceFamily
from router.verification.keys import PublicKey, UnusableKeyError
from router.verification.notation import certificates as notation_certificates
from router.verification.pki import der
from router.verification.pki.certificates import certificates_in
from router.verification.sigstore.certificate_logs import is_logged
from router.verification.sigstore.certificates import CODE_SIGNING, expect_leaf_for, may_issue, read_certificate
from router.verification.sigstore.conditions import Condition
from router.verification.sigstore.identities import identity_of
from router.verification.sigstore.log_bodies import Logged, expect_body_about
from router.verification.sigstore.material import material_beside, signer_beside
from router.verification.sigstore.statement import predicate_type_of, read_statement
from router.verification.sigstore.trusted_root import TrustedRoot, UnusableRootError, read_trusted_root
from tests.fuzz import corpora
from tests.fuzz.proofs import PROOFS, beside
from tests.fuzz.target import Target, fields_of
from tests.verification.world import DATA

_INVALID = (InvalidSignatureError,)
_NOTHING: tuple[Hashable, ...] = ()
_LOGGED = Logged(b"signature", b"content", b"payload", b"verifier", is_certificate=True)
_DEEPEST = 20
"""Levels of DER that are walked through."""


def _manifest(data: bytes) -> Iterator[Hashable]:
    for family in EvidenceFamily:
        with contextlib.suppress(InvalidSignatureError):
            manifests.read_manifest(data, family)
    with contextlib.suppress(InvalidSignatureError):
        manifests.read_signature_manifest(data)
    manifests.read_attestation_manifest(data)
    yield from _NOTHING


def _index(data: bytes) -> Iterator[Hashable]:
    parse_index(data, "a list")
    yield from _NOTHING


def _challenges(data: bytes) -> Iterator[Hashable]:
    parse_challenges(data.decode("latin-1").split("\n"))
    yield from _NOTHING


@cache
def _root() -> TrustedRoot:
    return read_trusted_root((DATA / "keyless" / "trusted_root.json").read_bytes())


def _certificate(data: bytes) -> Iterator[Hashable]:
    """And its signed certificate timestamps, names, and whom it may sign for."""
    with contextlib.suppress(InvalidSignatureError):
        other = notation_certificates.read_certificate(data)
        notation_certificates.expect_signer(other, is_for_code=True)
        notation_certificates.expect_authority(other, 0, is_for_code=True)
    found = read_certificate(data)
    identity_of(found)
    may_issue(found, CODE_SIGNING, 0)
    for authority in _root().authorities:
        authority.path_to(found, ())
    is_logged(found, found, _root().certificate_logs)
    expect_leaf_for(found, CODE_SIGNING)
    yield from _NOTHING


def _pem(data: bytes) -> Iterator[Hashable]:
    with contextlib.suppress(InvalidSignatureError):
        for one in certificates_in(data, "a certificate", 10):
            read_certificate(one)
    PublicKey.from_pem(data)
    yield from _NOTHING


def _der(data: bytes) -> Iterator[Hashable]:
    waiting = [(der.read(data, "it"), 0)]
    while waiting:
        value, depth = waiting.pop()
        if value.tag & 0x20 and depth < _DEEPEST:
            waiting += [(child, depth + 1) for child in value.children("it")]
    yield from _NOTHING


def _material(data: bytes) -> Iterator[Hashable]:
    found = beside(fields_of(data, 4))
    signer_beside(found)
    material_beside(found)
    yield from _NOTHING


def _log_body(data: bytes) -> Iterator[Hashable]:
    """Whatever it says, it is not about a signature of ours."""
    expect_body_about(data, _LOGGED)
    yield "logged"


def _statement(data: bytes) -> Iterator[Hashable]:
    predicate_type_of(data)
    said = read_statement(data)
    said.is_about(Digest.of(data))
    said.annotated(Digest.of(data))
    yield from _NOTHING


@cache
def _conditions() -> tuple[Condition, ...]:
    written = (
        "predicate.a == 1",
        'predicate.all(k, k != "") && subject.exists(s, has(s.digest))',
        "predicate.buildDefinition.resolvedDependencies.all(d, d.uri.startsWith('git+') || size(d.digest) > 0)",
        "subject.all(s, subject.all(t, s == t || s != t))",
    )
    return tuple(map(Condition, written))


def _condition(data: bytes) -> Iterator[Hashable]:
    said = read_statement(data)
    for condition in _conditions():
        condition.holds_for(said)
    yield from _NOTHING


def _review(data: bytes) -> Iterator[Hashable]:
    """What is read at one go is what is read with care."""
    request, objects = finish(read_review(memoryview(data)))
    said = frozenset({"image.csi.example"}), "gatecrier.dev/break-glass"
    workload = finish(read_workload(request, objects, *said))
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if read_new_pod(memoryview(data), *said) not in (None, (request, workload)):
            yield "read otherwise", data


def _name(data: bytes) -> Iterator[Hashable]:
    """What is read is written as it is read."""
    text = data.decode(errors="replace")
    with contextlib.suppress(InvalidReferenceError):
        Digest.parse(text)
    found = parse_reference(text)
    if parse_reference(str(found)) != found:
        yield "another name", text


def _names() -> Iterator[bytes]:
    for body in corpora.reviews():
        yield from (held.encode() for held in corpora.found_in(json.loads(body), "image") if isinstance(held, str))
    yield from (b"a", b"localhost/a:b", b"[::1]:5000/a", b"docker.io/library/a:1")
    yield b"x.example:443/a/b__c@sha256:" + b"0" * 64


def _trusted_root(data: bytes) -> Iterator[Hashable]:
    read_trusted_root(data)
    yield from _NOTHING


READERS = (
    Target("manifest", _manifest, _INVALID, lambda: [body for _, body, _ in corpora.manifests()]),
    Target(
        "referrers",
        _index,
        (MalformedAnswerError, TooLargeError),
        lambda: [(layout / "index.json").read_bytes() for layout, _ in corpora.layouts()],
    ),
    Target(
        "challenges",
        _challenges,
        (MalformedAnswerError,),
        lambda: [b'Bearer realm="https://auth.example/token",service="registry",scope="a:b:pull"\nBasic realm=x'],
    ),
    Target("certificate", _certificate, _INVALID, corpora.certificates),
    Target("pem", _pem, (UnusableKeyError,), corpora.pems),
    Target("der", _der, _INVALID, corpora.certificates),
    Target("material", _material, _INVALID, corpora.entries),
    Target("log-body", _log_body, _INVALID, partial(corpora.decoded, "canonicalizedBody")),
    Target("statement", _statement, _INVALID, partial(corpora.decoded, "payload")),
    Target("condition", _condition, _INVALID, partial(corpora.decoded, "payload")),
    Target("admission-review", _review, (ReviewError, UnreadableJsonError), corpora.reviews_and_a_nested_one),
    Target("image-name", _name, (InvalidReferenceError,), _names),
    Target(
        "trusted-root",
        _trusted_root,
        (UnusableRootError,),
        lambda: [path.read_bytes() for path in sorted((DATA / "keyless").glob("*trusted_root.json"))],
    ),
)


def targets() -> dict[str, Target]:
    """All targets by name."""
    return {target.name: target for target in (*PROOFS, *READERS)}
