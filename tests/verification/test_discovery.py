"""What is asked for evidence, in which order, and what everything that can go wrong there means."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import (
    InvalidSignatureError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.images import Digest
from router.registry import ReferrerList
from router.registry.referrers import fallback_tag
from router.verdict import Verdict
from router.verification import Judgement, Verifier
from router.verification.evidence import (
    BUNDLE_TYPE,
    ITEM_LIMIT,
    PREDICATE_ANNOTATION,
    REFERRER_LIMIT,
    SIGN_PREDICATE,
    SIGNATURE_ANNOTATION,
    SIGNATURE_ARTIFACT_TYPE,
    SIGNATURE_LIMIT,
    SIMPLE_SIGNING_TYPE,
    TOTAL_LIMIT,
    Evidence,
    EvidenceFamily,
)
from router.verification.manifests import ArtifactKind, read_manifest, read_signature_manifest
from tests.verification.world import (
    OCI_INDEX,
    MemorySource,
    cosign,
    image,
    pen,
    rule,
    simple_signing,
    statement,
)

FAR = float("inf")
SBOM = "https://cyclonedx.org/bom"


async def judged(source: MemorySource, **demands: object) -> Judgement:
    verifier = Verifier(source, [cosign("release", "security")])
    return await verifier.judge(image(), rule(**demands), FAR)  # type: ignore[arg-type]  # each test knows its demands


async def said(source: MemorySource) -> tuple[str, str]:
    judgement = await judged(source)
    return judgement.verdict.value, judgement.reason


def legacy_signed(by: str = "release") -> tuple[MemorySource, Digest]:
    source = MemorySource()
    digest = source.add_image()
    source.add_legacy(digest, pen(by).sign_legacy(source, simple_signing(digest)))
    return source, digest


def bundle_signed(by: str = "release", *, has_api: bool = True) -> tuple[MemorySource, Digest]:
    source = MemorySource(has_api)
    digest = source.add_image()
    source.add_bundle(digest, pen(by).bundle(statement(digest)))
    return source, digest


async def test_where_the_sig_tag_proved_last_an_image_costs_three_questions() -> None:
    source, _ = legacy_signed()
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)

    source.asked.clear()
    second = source.add_image("v2", "another image")
    source.add_legacy(second, pen("release").sign_legacy(source, simple_signing(second)))
    await verifier.judge(image("v2"), rule(), FAR)

    assert [question.split(":")[0] for question in source.asked] == [
        "HEAD v2",
        f"GET sha256-{second.hex}.sig",
        "BLOB sha256",
    ]


async def test_an_image_by_digest_is_not_resolved() -> None:
    source, digest = legacy_signed()
    await Verifier(source, [cosign("release")]).judge(image(digest=digest), rule(), FAR)

    assert not any(question.startswith("HEAD") for question in source.asked)


async def test_signers_of_one_payload_share_its_fetch() -> None:
    source = MemorySource()
    digest = source.add_image()
    payload = simple_signing(digest)
    source.add_legacy(digest, *(pen(name).sign_legacy(source, payload) for name in ("release", "security")))
    judgement = await judged(source, threshold=2)

    assert judgement.verdict is Verdict.VERIFIED
    assert sum(question.startswith("BLOB") for question in source.asked) == 1


async def test_where_a_bundle_proved_last_bundles_are_tried_first() -> None:
    source, _ = bundle_signed()
    second = source.add_image("v2", "another image")
    source.add_bundle(second, pen("release").bundle(statement(second)))
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image("v1"), rule(), FAR)
    source.asked.clear()
    await verifier.judge(image("v2"), rule(), FAR)

    assert not any(question.endswith(".sig") for question in source.asked)
    assert len(source.asked) == 4


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("form", ["legacy", "bundle"])
async def test_images_of_other_digest_algorithms_are_verified(algorithm: str, form: str) -> None:
    source, digest = MemorySource(), Digest.of(b"an image", algorithm)
    if form == "legacy":
        source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))
    else:
        source.add_bundle(digest, pen("release").bundle(statement(digest)))
    judgement = await Verifier(source, [cosign("release")]).judge(image(digest=digest), rule(), FAR)

    assert judgement.verdict is Verdict.VERIFIED


async def test_the_attestation_tag_is_never_asked_for() -> None:
    source = MemorySource()
    source.add_image()
    await judged(source)

    assert not any(question.endswith((".att", ".sbom")) for question in source.asked)


async def test_one_signature_in_each_format_are_two_signers() -> None:
    source, digest = legacy_signed("release")
    source.add_bundle(digest, pen("security").bundle(statement(digest)))
    judgement = await judged(source, threshold=2)

    assert [signer.name for signer in judgement.signers] == ["release", "security"]


async def test_one_key_in_both_formats_is_one_signer() -> None:
    source, digest = legacy_signed("release")
    source.add_bundle(digest, pen("release").bundle(statement(digest)))
    judgement = await judged(source, threshold=2)

    assert (judgement.verdict, judgement.reason) == (Verdict.UNTRUSTED, "too_few_signers")


@pytest.mark.parametrize(
    "artifact_type", ["", "application/vnd.oci.empty.v1+json", "application/spdx+json", BUNDLE_TYPE]
)
async def test_a_bundle_is_found_whatever_type_the_list_says(artifact_type: str) -> None:
    """One real registry lists the type of the config, others what a client pushed."""
    source, digest = bundle_signed(has_api=False)
    tag = fallback_tag(digest)
    index = json.loads(source.manifests[tag][1])
    index["manifests"][0]["artifactType"] = artifact_type
    source.manifests[tag] = (OCI_INDEX, json.dumps(index).encode())

    assert await said(source) == ("verified", "signed")


async def test_referrers_of_others_are_no_evidence() -> None:
    source = MemorySource()
    digest = source.add_image()
    for kind in ("application/vnd.cncf.notary.signature", "application/spdx+json", ""):
        source.add_bundle(digest, b"{}", artifactType=kind, layers=[])
    source.add_bundle(digest, b"{}", artifactType="application/x", layers="no list")

    assert await said(source) == ("unsigned", "no_signature")


async def test_attestations_alone_leave_an_image_unsigned_and_are_told() -> None:
    source = MemorySource()
    digest = source.add_image()
    source.add_bundle(digest, pen("release").bundle(statement(digest, SBOM)))
    judgement = await judged(source)

    assert judgement.verdict is Verdict.UNSIGNED
    assert "1 attestation is there" in judgement.detail


async def test_a_large_attestation_is_no_reason_to_call_an_unsigned_image_invalid() -> None:
    source = MemorySource()
    digest = source.add_image()
    large = pen("release").bundle(statement(digest, SBOM, predicate="x" * ITEM_LIMIT))
    for _ in range(2):
        source.add_bundle(digest, large, annotations={PREDICATE_ANNOTATION: SBOM})
        large += b" "
    judgement = await judged(source)

    assert judgement.verdict is Verdict.UNSIGNED
    assert "2 attestations are there" in judgement.detail


async def test_what_calls_itself_an_attestation_and_is_a_signature_counts() -> None:
    """Annotations are unsigned hints: they never decide."""
    source = MemorySource()
    digest = source.add_image()
    source.add_bundle(digest, pen("release").bundle(statement(digest)), annotations={PREDICATE_ANNOTATION: SBOM})

    assert await said(source) == ("verified", "signed")


async def test_simple_signing_behind_the_referrers_api_is_found_by_its_artifact_type() -> None:
    source = MemorySource()
    digest = source.add_image()
    layer = pen("release").sign_legacy(source, simple_signing(digest))
    source.add_bundle(digest, b"", artifactType=SIGNATURE_ARTIFACT_TYPE, layers=[layer])

    assert await said(source) == ("verified", "signed")


def alien_layer(source: MemorySource, digest: Digest) -> None:
    payload = simple_signing(digest)
    source.add_legacy(digest, source.layer(payload, pen("release").sign(payload), "application/octet-stream"))


def no_signature(source: MemorySource, digest: Digest) -> None:
    source.add_legacy(digest, source.layer(simple_signing(digest), ""))


def large_payload(source: MemorySource, digest: Digest) -> None:
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest) + b" " * 5 * 2**20))


def all_too_large(source: MemorySource, digest: Digest) -> None:
    payloads = [bytes([number]) * (ITEM_LIMIT - 1) for number in range(TOTAL_LIMIT // ITEM_LIMIT + 2)]
    source.add_legacy(digest, *(source.layer(payload, b"signature") for payload in payloads))


def many_layers(source: MemorySource, digest: Digest) -> None:
    layer = pen("stranger").sign_legacy(source, simple_signing(digest))
    layers = [layer | {"annotations": {SIGNATURE_ANNOTATION: f"{n:04}"}} for n in range(SIGNATURE_LIMIT + 1)]
    source.add_legacy(digest, *layers)


def lost_payload(source: MemorySource, digest: Digest) -> None:
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))
    source.blobs.clear()


def index_behind_the_tag(source: MemorySource, digest: Digest) -> None:
    source.add(b'{"manifests": []}', tag=f"sha256-{digest.hex}.sig")


def no_json_behind_the_tag(source: MemorySource, digest: Digest) -> None:
    source.add(b"signature", tag=f"sha256-{digest.hex}.sig")


def no_digest_in_a_layer(source: MemorySource, digest: Digest) -> None:
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)) | {"digest": "sha256:x"})


def no_size_in_a_layer(source: MemorySource, digest: Digest) -> None:
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)) | {"size": True})


def huge_manifest(source: MemorySource, digest: Digest) -> None:
    source.add(b" " * (ITEM_LIMIT + 1), tag=f"sha256-{digest.hex}.sig")


def two_layers_in_a_bundle(source: MemorySource, digest: Digest) -> None:
    layer = source.layer(b"{}", "", BUNDLE_TYPE)
    source.add_bundle(digest, b"", layers=[layer, layer])


def alien_layer_in_a_bundle(source: MemorySource, digest: Digest) -> None:
    source.add_bundle(digest, b"", layers=[source.layer(pen("release").bundle(statement(digest)), "", "text/plain")])


def large_bundle(source: MemorySource, digest: Digest) -> None:
    source.add_bundle(digest, pen("release").bundle(statement(digest)) + b" " * ITEM_LIMIT)


def lost_bundle(source: MemorySource, digest: Digest) -> None:
    source.add_bundle(digest, pen("release").bundle(statement(digest)))
    source.blobs.clear()


def lost_referrer(source: MemorySource, digest: Digest) -> None:
    listed = source.add_bundle(digest, pen("release").bundle(statement(digest)))
    source.has_api = False
    del source.manifests[str(listed)]


def broken_referrer(source: MemorySource, digest: Digest) -> None:
    source.add_bundle(digest, b"", annotations=["no object"])


def huge_referrer(source: MemorySource, digest: Digest) -> None:
    source.add_bundle(digest, b"", comment="x" * ITEM_LIMIT)


def many_referrers(source: MemorySource, digest: Digest) -> None:
    for number in range(REFERRER_LIMIT + 1):
        source.add_bundle(digest, pen("stranger").bundle(statement(digest, predicate={"n": number})))


DEFECTS: list[tuple[Callable[[MemorySource, Digest], None], str]] = [
    (alien_layer, "media_type"),
    (no_signature, "malformed"),
    (large_payload, "too_large"),
    (all_too_large, "too_large"),
    (many_layers, "too_many"),
    (lost_payload, "missing"),
    (index_behind_the_tag, "malformed"),
    (no_json_behind_the_tag, "malformed"),
    (no_digest_in_a_layer, "malformed"),
    (no_size_in_a_layer, "malformed"),
    (huge_manifest, "too_large"),
    (two_layers_in_a_bundle, "malformed"),
    (alien_layer_in_a_bundle, "media_type"),
    (large_bundle, "too_large"),
    (lost_bundle, "missing"),
    (lost_referrer, "missing"),
    (broken_referrer, "malformed"),
    (huge_referrer, "too_large"),
    (many_referrers, "too_many"),
]


@pytest.mark.parametrize(("make", "reason"), DEFECTS, ids=[make.__name__ for make, _ in DEFECTS])
async def test_defective_evidence_makes_an_unproven_image_invalid_never_unverifiable(
    make: Callable[[MemorySource, Digest], None], reason: str
) -> None:
    """Whoever can push makes these; a rule that admits what is unverifiable must not be their way in."""
    source = MemorySource()
    make(source, source.add_image())

    assert await said(source) == ("invalid", reason)


@pytest.mark.parametrize(
    "make", [make for make, _ in DEFECTS if make is not many_referrers], ids=lambda make: make.__name__
)
async def test_defective_evidence_beside_a_proof_takes_nothing_away(
    make: Callable[[MemorySource, Digest], None],
) -> None:
    source = MemorySource()
    digest = source.add_image()
    make(source, digest)
    if f"sha256-{digest.hex}.sig" in source.manifests:
        source.add_bundle(digest, pen("release").bundle(statement(digest)))
    else:
        source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))

    assert await said(source) == ("verified", "signed")


async def test_large_payloads_hide_no_small_one() -> None:
    """Whoever can push could otherwise take a signed image out of service by pushing more beside it."""
    source = MemorySource()
    digest = source.add_image()
    large = [source.layer(bytes([number]) * (ITEM_LIMIT - 1), b"signature") for number in range(20)]
    source.add_legacy(digest, *large, pen("release").sign_legacy(source, simple_signing(digest)))

    assert await said(source) == ("verified", "signed")


async def test_a_lie_about_the_size_of_anothers_bundle_hides_nothing() -> None:
    source = MemorySource()
    digest = source.add_image()
    bundle = pen("release").bundle(statement(digest))
    for size in (1, len(bundle), 2):
        layer = {"mediaType": BUNDLE_TYPE, "digest": str(source.add_blob(bundle)), "size": size}
        source.add_bundle(digest, b"", layers=[layer])

    assert await said(source) == ("verified", "signed")


async def test_a_large_manifest_is_read_beside_the_loop_and_counts() -> None:
    source = MemorySource()
    digest = source.add_image()
    layer = pen("release").sign_legacy(source, simple_signing(digest))
    source.add_legacy(digest, layer | {"comment": "x" * 100_000})

    assert await said(source) == ("verified", "signed")


async def test_signatures_behind_all_referrers_are_counted_together() -> None:
    source = MemorySource()
    digest = source.add_image()
    layer = pen("stranger").sign_legacy(source, simple_signing(digest))
    for number in range(3):
        annotations = [{SIGNATURE_ANNOTATION: f"{number}{n:03}"} for n in range(SIGNATURE_LIMIT // 2)]
        layers = [layer | {"annotations": entry} for entry in annotations]
        source.add_bundle(digest, b"", artifactType=SIGNATURE_ARTIFACT_TYPE, layers=layers, comment=number)

    assert await said(source) == ("invalid", "too_many")


async def test_a_flood_of_signatures_in_one_place_hides_nothing_in_another() -> None:
    """Also where the place that is flooded proved last, and is asked first."""
    source, _ = bundle_signed()
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    digest = source.add_image("v2", "another image")
    layer = pen("stranger").sign_legacy(source, simple_signing(digest))
    for number in range(3):
        annotations = [{SIGNATURE_ANNOTATION: f"{number}{n:03}"} for n in range(SIGNATURE_LIMIT // 2)]
        layers = [layer | {"annotations": entry} for entry in annotations]
        source.add_bundle(digest, b"", artifactType=SIGNATURE_ARTIFACT_TYPE, layers=layers, comment=number)
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))

    assert (await verifier.judge(image("v2"), rule(), FAR)).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    ("asks", "count", "expected"),
    [("signature", 10, "invalid"), ("attestation", 10, "verified"), ("attestation", 26, "invalid")],
)
async def test_where_an_attestation_is_asked_for_there_are_16_mib_more(asks: str, count: int, expected: str) -> None:
    """What vouches for a build has some hundred KiB; a signature has a thousand bytes."""
    predicate = "https://slsa.dev/provenance/v1" if asks == "attestation" else SIGN_PREDICATE
    source = MemorySource()
    digest = source.add_image()
    for number in range(count):
        padding = {"n": number, "x": "x" * 760_000}  # in base64 they are a third more
        source.add_bundle(digest, pen("stranger").bundle(statement(digest, predicate, predicate=padding)))
    larger = statement(digest, predicate, predicate={"x": "x" * 770_000})
    source.add_bundle(digest, pen("release").bundle(larger))
    settings = cosign("release", predicate="" if asks == "signature" else predicate)

    assert (await Verifier(source, [settings]).judge(image(), rule(), FAR)).verdict.value == expected


async def test_one_bundle_is_examined_once_whatever_it_is_called() -> None:
    """A blob of 1 MiB under five hundred names would cost five hundred looks."""
    source = MemorySource()
    digest = source.add_image()
    bundle = pen("stranger").bundle(statement(digest))
    for number in range(5):
        layer = {"mediaType": f"{BUNDLE_TYPE}-{number}", "digest": str(source.add_blob(bundle)), "size": len(bundle)}
        source.add_bundle(digest, b"", layers=[layer])
    judgement = await judged(source)

    assert judgement.reason == "untrusted_signer"
    assert judgement.detail.startswith("1 signature is there")


async def test_of_a_list_that_is_cut_what_is_there_counts() -> None:
    source, digest = bundle_signed()
    listed = source.listed(digest)
    source.lists = {digest: replace(listed, is_cut=True)}
    assert await said(source) == ("verified", "signed")

    unsigned = MemorySource()
    unsigned.lists = {unsigned.add_image(): ReferrerList(is_cut=True)}
    assert await said(unsigned) == ("invalid", "too_many")


async def test_what_is_foreign_by_the_list_and_not_there_is_no_defect() -> None:
    source = MemorySource(has_api=False)
    digest = source.add_image()
    listed = source.add_bundle(digest, b"", artifactType="application/spdx+json", layers=[])
    huge = source.add_bundle(digest, b"", artifactType="application/x", layers=[], comment="x" * ITEM_LIMIT)
    del source.manifests[str(listed)]

    assert str(huge) in source.manifests
    assert await said(source) == ("unsigned", "no_signature")


async def test_too_long_a_list_of_referrers_is_invalid() -> None:
    source = MemorySource()
    source.add_image()
    source.faults["REFERRERS"] = TooLargeError("more than 50")

    assert await said(source) == ("invalid", "too_many")


async def test_a_pushed_list_that_can_not_be_read_is_invalid_and_a_registrys_own_is_unverifiable() -> None:
    source = MemorySource()
    digest = source.add_image()
    source.faults["REFERRERS"] = MalformedAnswerError("no list")
    by_registry = await said(source)
    source.faults.clear()
    source.add(b"no list", tag=fallback_tag(digest))

    assert by_registry == ("unverifiable", "malformed_answer")
    assert await said(source) == ("invalid", "malformed")


GAPS: list[UnverifiableError] = [
    UnauthorisedError("401"),
    RateLimitedError("429"),
    UnreachableError("503"),
    MalformedAnswerError("nonsense"),
]
PLACES = ["GET sha256-", "REFERRERS", "GET sha256:", "BLOB"]


@pytest.mark.parametrize("error", GAPS, ids=lambda error: error.reason)
@pytest.mark.parametrize("place", PLACES)
async def test_what_could_not_be_fetched_makes_an_unproven_image_unverifiable(
    place: str, error: UnverifiableError
) -> None:
    """Neither "unsigned" nor "untrusted" would be true: the missing part might have been the proof."""
    source, digest = legacy_signed("stranger")
    source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
    source.faults[place] = error
    if place == "REFERRERS":
        del source.manifests[fallback_tag(digest)]

    assert await said(source) == ("unverifiable", error.reason)


@pytest.mark.parametrize("place", PLACES)
async def test_what_could_not_be_fetched_takes_nothing_from_a_proof_elsewhere(place: str) -> None:
    source, digest = legacy_signed("release")
    source.add_bundle(digest, pen("release").bundle(statement(digest)))
    source.faults[place] = UnreachableError("503")
    if place == "BLOB":  # both formats need it
        source.faults = {f"BLOB {Digest.of(simple_signing(digest))}": UnreachableError("503")}

    assert await said(source) == ("verified", "signed")


async def test_a_gap_is_told_before_a_defect() -> None:
    source, _ = legacy_signed("release")
    source.faults = {"REFERRERS": UnreachableError("503"), "BLOB": NotFoundError("404")}

    assert await said(source) == ("unverifiable", "unreachable")


async def test_a_tag_that_can_not_be_resolved_is_unverifiable_without_a_digest() -> None:
    judgement = await judged(MemorySource())

    assert (judgement.verdict, judgement.reason, judgement.digest) == (Verdict.UNVERIFIABLE, "not_found", None)


async def test_a_source_without_any_list_has_no_referrers() -> None:
    source = MemorySource()
    source.add_image()
    source.faults["REFERRERS"] = NotFoundError("404")

    assert await said(source) == ("unsigned", "no_signature")


NAMES = ["layers", "config", "annotations", "artifactType", "mediaType", "digest", "size", PREDICATE_ANNOTATION]
JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from([BUNDLE_TYPE, SIGNATURE_ARTIFACT_TYPE, "sha256:" + "0" * 64, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=14,
)


@settings(max_examples=150)
@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_any_bytes_are_a_manifest_or_refused(body: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [partial(read_manifest, family=family) for family in EvidenceFamily]
    for read in (*readers, read_signature_manifest):
        try:
            read(body)
        except InvalidSignatureError:
            continue


@pytest.mark.parametrize("bad", [rb'"\ud800"', b"[" * 100_000 + b"]" * 100_000, b'"\n"', b"01"])
def test_a_layer_that_no_reader_takes_hides_none_of_the_others(bad: bytes) -> None:
    """Whoever can push appends a layer to what stands behind the tag."""
    layers = [{"mediaType": SIMPLE_SIGNING_TYPE, "digest": str(Digest.of(b"%d" % n)), "size": n} for n in range(3)]
    first, second, third = (json.dumps(layer | {"annotations": {SIGNATURE_ANNOTATION: "x"}}) for layer in layers)
    broken = second[:-1].encode() + b', "x": ' + bad + b"}"
    body = b'{"layers": [' + b", ".join((first.encode(), broken, third.encode())) + b"]}"
    alone = read_signature_manifest(f'{{"layers": [{first}, {third}]}}'.encode())
    found = read_signature_manifest(body)

    assert found.layers == alone.layers
    assert len(found.layers) == 2
    assert [defect.reason for defect in found.defects] == ["malformed"]


@pytest.mark.parametrize("layers", [b"null", b"{}", b"5"])
def test_a_manifest_without_layers_is_none_whatever_stands_beside(layers: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        read_signature_manifest(rb'{"x": "\ud800", "layers": ' + layers + b"}")


def test_a_docker_manifest_leads_to_signatures_as_well() -> None:
    layer = {"mediaType": BUNDLE_TYPE, "digest": "sha256:" + "0" * 64, "size": 1}
    manifest = read_manifest(json.dumps({"schemaVersion": 2, "layers": [layer]}).encode(), EvidenceFamily.COSIGN)

    assert manifest.kind is ArtifactKind.BUNDLE


def test_evidence_adds_up() -> None:
    error = InvalidSignatureError("x")

    assert Evidence(attestations=1) + Evidence(attestations=2, defects=(error,)) == Evidence(
        attestations=3, defects=(error,)
    )
