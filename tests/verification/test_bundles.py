"""Bundles: every check has its forgery."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.images import Digest
from router.steps import finish
from router.verification.cosign.bundles import examine
from router.verification.cosign.findings import CosignFinding, Unendorsed
from router.verification.cosign.signatories import trust_in
from router.verification.evidence import BUNDLE_TYPE, SigstoreBundle
from router.verification.keys import SignedBytes
from router.verification.scheme import Endorsement
from router.verification.sigstore.bundle import read_bundle
from router.verification.sigstore.dsse import IN_TOTO_TYPE, pae, payload_of
from router.verification.sigstore.statement import read_statement
from tests.verification.world import pen, simple_signing, statement

DIGEST = Digest.of(b"the image")
WHO = trust_in([("release", pen("release").public), ("security", pen("security").public)]).material


def found_in(body: bytes, digest: Digest = DIGEST) -> CosignFinding:
    return finish(examine(SigstoreBundle(Digest.of(body), body), WHO, digest))


def reason_of(body: bytes, digest: Digest = DIGEST) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        found_in(body, digest)
    return refused.value.reason


def changed(signed: bytes, **envelope: object) -> bytes:
    """A bundle by `release` around this payload, with fields of its envelope replaced."""
    bundle = json.loads(pen("release").bundle(signed))
    bundle["dsseEnvelope"] |= envelope
    return json.dumps(bundle).encode()


def test_a_sound_bundle_endorses_its_digest_by_the_name_of_its_key() -> None:
    found = found_in(pen("security").bundle(statement(DIGEST)))

    assert isinstance(found, Endorsement)
    assert (found.signer.name, found.digest) == ("security", DIGEST)


def test_one_of_several_subjects_suffices() -> None:
    other, good = {"digest": {"sha256": "0" * 64}}, {"name": "x", "digest": {"sha1": "00", "sha256": DIGEST.hex}}

    assert isinstance(found_in(pen("release").bundle(statement(DIGEST, subject=[other, good]))), Endorsement)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_subjects_are_compared_by_the_name_of_their_algorithm(algorithm: str) -> None:
    digest = Digest.of(b"the image", algorithm)

    assert isinstance(found_in(pen("release").bundle(statement(digest)), digest), Endorsement)
    assert reason_of(pen("release").bundle(statement(DIGEST)), digest) == "digest_mismatch"


@pytest.mark.parametrize(
    "subject",
    [[], None, [{"digest": {}}], [{"digest": {"sha256": DIGEST.hex.upper()}}], [{"digest": {"sha512": DIGEST.hex}}]],
)
def test_a_statement_about_something_else_is_refused(subject: object) -> None:
    assert reason_of(pen("release").bundle(statement(DIGEST, subject=subject))) == "digest_mismatch"


@pytest.mark.parametrize(("count", "notes"), [(1, {"a": "b"}), (2, {}), (1000, {})])
def test_of_equal_subjects_no_more_is_kept_than_of_one(count: int, notes: dict[str, str]) -> None:
    """A list of what each of them says was copied for each of them, which took seconds."""
    subject = {"digest": {"sha256": DIGEST.hex}, "annotations": {"a": "b"}}
    stated = {"_type": "t", "predicateType": "p", "subject": [subject] * count}
    read = read_statement(json.dumps(stated).encode())

    assert read.annotations == {("sha256", DIGEST.hex): notes}
    assert read.is_about(DIGEST)
    assert read.annotated(DIGEST) == notes


def test_an_attestation_is_no_signature_whoever_made_it() -> None:
    """Cosign itself takes an SBOM by the right key for a signature."""
    payload = statement(DIGEST, "https://cyclonedx.org/bom", _type="https://in-toto.io/Statement/v0.1")

    assert found_in(pen("release").bundle(payload)) is Unendorsed.ATTESTATION
    assert found_in(pen("stranger").bundle(payload)) is Unendorsed.ATTESTATION


@pytest.mark.parametrize("predicate_type", ["", None, "https://sigstore.dev/cosign/sign/v1 ", "HTTPS://sigstore.dev"])
def test_only_the_predicate_of_a_signature_makes_one(predicate_type: object) -> None:
    assert found_in(pen("release").bundle(statement(DIGEST, predicateType=predicate_type))) is Unendorsed.ATTESTATION


def test_a_strangers_bundle_is_no_mistake_even_about_another_digest() -> None:
    assert found_in(pen("stranger").bundle(statement(DIGEST))) is Unendorsed.STRANGER
    assert found_in(pen("stranger").bundle(statement(Digest.of(b"other")))) is Unendorsed.STRANGER


def test_a_changed_payload_is_no_longer_signed() -> None:
    other = base64.b64encode(statement(DIGEST)).decode()

    assert found_in(changed(statement(Digest.of(b"other")), payload=other)) is Unendorsed.STRANGER


def test_hints_and_certificates_prove_nothing_either_way() -> None:
    for material in ({"publicKey": {"hint": "bm8="}}, {"certificate": {"rawBytes": "AA=="}}, {}, None):
        good = pen("release").bundle(statement(DIGEST), verificationMaterial=material)
        bad = pen("stranger").bundle(statement(DIGEST), verificationMaterial=material)

        assert isinstance(found_in(good), Endorsement)
        assert found_in(bad) is Unendorsed.STRANGER


def test_log_entries_and_timestamps_are_not_looked_at() -> None:
    material = {
        "publicKey": {},
        "tlogEntries": [{"logIndex": "9" * 30, "inclusionProof": None}, "no entry"],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "!"}]},
    }

    assert isinstance(found_in(pen("release").bundle(statement(DIGEST), verificationMaterial=material)), Endorsement)


def test_the_url_safe_alphabet_and_line_breaks_are_allowed_here() -> None:
    payload = statement(DIGEST)
    envelope = json.loads(pen("release").bundle(payload))["dsseEnvelope"]
    signature = base64.urlsafe_b64encode(base64.b64decode(envelope["signatures"][0]["sig"])).decode().rstrip("=")
    body = changed(payload, payload="\n".join(envelope["payload"]), signatures=[{"sig": signature}])

    assert isinstance(found_in(body), Endorsement)


def two_signatures() -> list[dict[str, Any]]:
    return [{"sig": base64.b64encode(pen("release").sign(pae(IN_TOTO_TYPE, statement(DIGEST)))).decode()}] * 2


GOOD = statement(DIGEST)
BROKEN: dict[str, tuple[bytes, str]] = {
    "no json": (b"bundle", "malformed"),
    "another version": (pen("release").bundle(GOOD, mediaType=BUNDLE_TYPE.replace("v0.3", "v0.4")), "media_type"),
    "no version": (pen("release").bundle(GOOD, mediaType=None), "media_type"),
    "an old version": (
        pen("release").bundle(GOOD, mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"),
        "media_type",
    ),
    "a bare signature": (pen("release").bundle(GOOD, messageSignature={"signature": "AA=="}), "message_signature"),
    "no envelope": (pen("release").bundle(GOOD, dsseEnvelope=None), "malformed"),
    "no signature": (changed(GOOD, signatures=[]), "signature_count"),
    "absent signatures": (changed(GOOD, signatures=None), "signature_count"),
    "two signatures": (changed(GOOD, signatures=two_signatures()), "signature_count"),
    "an empty signature": (changed(GOOD, signatures=[{}]), "malformed"),
    "another payload type": (changed(GOOD, payloadType="application/json"), "payload_type"),
    "no base64": (changed(GOOD, payload="{}"), "malformed"),
    "no statement": (pen("release").bundle(b"no statement"), "malformed"),
    "a stranger's no statement": (pen("stranger").bundle(b"no statement"), "malformed"),
    "a digest that is not a text": (
        pen("release").bundle(statement(DIGEST, subject=[{"digest": {"a": 1}}])),
        "malformed",
    ),
    "an old statement": (
        pen("release").bundle(statement(DIGEST, _type="https://in-toto.io/Statement/v0.1")),
        "statement_type",
    ),
    "twice the same name": (b'{"mediaType": 1, ' + pen("release").bundle(GOOD)[1:], "malformed"),
}


@pytest.mark.parametrize(("body", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_bundle_is_told_apart_from_none(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


def test_bytes_of_another_digest_are_refused() -> None:
    with pytest.raises(InvalidSignatureError) as refused:
        finish(examine(SigstoreBundle(DIGEST, pen("release").bundle(GOOD)), WHO, DIGEST))

    assert refused.value.reason == "digest_mismatch"


def test_a_signature_over_the_bare_payload_is_none() -> None:
    """Neither a legacy signature nor one over the payload without its type can stand in an envelope."""
    for payload in (GOOD, simple_signing(DIGEST)):
        signature = base64.b64encode(pen("release").sign(payload)).decode()
        body = changed(payload, signatures=[{"sig": signature}])

        assert found_in(body) in {Unendorsed.STRANGER, Unendorsed.ATTESTATION}


@given(st.binary(max_size=60))
def test_the_payload_is_taken_out_of_the_signed_bytes_unchanged(payload: bytes) -> None:
    content = pae(IN_TOTO_TYPE, payload)
    signed = SignedBytes(pen("release").public, content, pen("release").sign(content))

    assert payload_of(signed) == payload


@settings(max_examples=40)
@given(
    st.binary(max_size=60) | st.binary(max_size=40).map(lambda body: b"DSSEv1 28 application/vnd.in-toto+json " + body)
)
def test_signed_bytes_that_are_no_encoding_hold_no_payload(content: bytes) -> None:
    signed = SignedBytes(pen("release").public, content, pen("release").sign(content))
    try:
        payload = payload_of(signed)
    except InvalidSignatureError:
        return
    assert pae(IN_TOTO_TYPE, payload) == content


NAMES = ["mediaType", "dsseEnvelope", "messageSignature", "payload", "payloadType", "signatures", "sig", "subject"]
JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from([BUNDLE_TYPE, IN_TOTO_TYPE, "e30=", "A" * 96]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=10,
)
BUNDLES = st.fixed_dictionaries(
    {"mediaType": st.just(BUNDLE_TYPE), "dsseEnvelope": st.dictionaries(st.sampled_from(NAMES), JSON)}
)


@settings(max_examples=150)
@given((JSON | BUNDLES).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_any_bytes_are_a_bundle_or_refused(body: bytes) -> None:
    try:
        bundle = finish(read_bundle(body))
    except InvalidSignatureError:
        return
    assert bundle.envelope.signature


@settings(max_examples=40)
@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_whatever_a_trusted_key_signed_it_endorses_nothing_by_chance(payload: bytes) -> None:
    try:
        found = found_in(pen("release").bundle(payload))
    except InvalidSignatureError:
        return
    assert found is Unendorsed.ATTESTATION
