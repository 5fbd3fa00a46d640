"""What others push takes nothing away: order, budgets and memory of a search for evidence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from router.errors import NotFoundError, RefusedQuestionError
from router.images import Digest, parse_reference
from router.registry.referrers import fallback_tag
from router.verification import Judgement, Verifier
from router.verification.evidence import (
    ASIDE_LIMIT,
    BUNDLE_TYPE,
    ITEM_LIMIT,
    PREDICATE_ANNOTATION,
    REFERRER_LIMIT,
    SIGNATURE_ARTIFACT_TYPE,
    SIGNATURE_LIMIT,
    TOTAL_LIMIT,
    Evidence,
)
from router.verification.places import ProvenPlaces
from router.verification.questions import Questions
from router.verification.search import Search
from router.verification.sought import Sought, SoughtPlace
from tests.verification.world import (
    OCI_INDEX,
    MemorySource,
    cosign,
    image,
    in_virtual_time,
    pen,
    rule,
    simple_signing,
    statement,
)

FAR = float("inf")
SIGNATURES = Sought((SoughtPlace.SIG_TAG, SoughtPlace.REFERRERS_API, SoughtPlace.FALLBACK_TAG))
SBOM = "https://cyclonedx.org/bom"


async def said(source: MemorySource) -> tuple[str, str]:
    judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)
    return judgement.verdict.value, judgement.reason


def signed(form: SoughtPlace) -> tuple[MemorySource, Digest]:
    source = MemorySource(has_api=form is not SoughtPlace.FALLBACK_TAG)
    digest = source.add_image()
    if form is SoughtPlace.SIG_TAG:
        source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))
    else:
        source.add_bundle(digest, pen("release").bundle(statement(digest)))
    if form is SoughtPlace.REFERRERS_API:
        del source.manifests[fallback_tag(digest)]
    return source, digest


def list_behind_tag(source: MemorySource, digest: Digest, entries: Sequence[object]) -> None:
    tag = fallback_tag(digest)
    listed = json.loads(source.manifests[tag][1])["manifests"] if tag in source.manifests else []
    source.manifests[tag] = (OCI_INDEX, json.dumps({"manifests": [*entries, *listed]}).encode())


@pytest.mark.parametrize(
    ("form", "least"), [(SoughtPlace.SIG_TAG, 3), (SoughtPlace.REFERRERS_API, 4), (SoughtPlace.FALLBACK_TAG, 4)]
)
def test_where_nothing_is_known_all_places_are_asked_at_the_same_time(form: SoughtPlace, least: int) -> None:
    """With a registry far away, what people wait for is how many questions follow one another."""

    async def scenario() -> tuple[Judgement, float]:
        source, _ = signed(form)
        source.delays[""] = 1.0
        judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), 100.0)
        return judgement, asyncio.get_running_loop().time()

    judgement, time = in_virtual_time(scenario())

    assert (judgement.verdict, time) == ("verified", least)


@pytest.mark.parametrize(
    ("form", "least"), [(SoughtPlace.SIG_TAG, 3), (SoughtPlace.REFERRERS_API, 4), (SoughtPlace.FALLBACK_TAG, 4)]
)
async def test_where_the_last_proof_lay_is_asked_first_alone(form: SoughtPlace, least: int) -> None:
    source, _ = signed(form)
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    source.asked.clear()
    again = Verifier(source, [cosign("release")])
    again._proven_places = verifier._proven_places
    await again.judge(image(), rule(), FAR)

    assert len(source.asked) == least


@pytest.mark.parametrize("form", SIGNATURES.places)
async def test_where_the_last_proof_at_a_registry_lay_is_asked_before_the_others_at_the_same_time(
    form: SoughtPlace,
) -> None:
    """What is known of one repository keeps no place of another unasked."""
    source, digest = signed(form)
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    source.asked.clear()
    elsewhere = parse_reference(f"{image().registry}/elsewhere/web:v1")
    again = Verifier(source, [cosign("release")])
    again._proven_places = verifier._proven_places
    judgement = await again.judge(elsewhere, rule(), FAR)
    questions = {
        SoughtPlace.SIG_TAG: f"GET sha256-{digest.hex}.sig",
        SoughtPlace.REFERRERS_API: "REFERRERS",
        SoughtPlace.FALLBACK_TAG: f"GET {fallback_tag(digest)}",
    }

    assert judgement.verdict == "verified"
    assert source.asked[1] == questions[form]
    assert {*source.asked[1:4]} == {*questions.values()}


async def test_what_is_known_of_a_repository_never_decides_whether_a_place_is_asked() -> None:
    source, _ = signed(SoughtPlace.SIG_TAG)
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    second = source.add_image("v2", "another image")
    source.add_bundle(second, pen("release").bundle(statement(second)))
    judgement = await verifier.judge(image("v2"), rule(), FAR)

    assert judgement.verdict == "verified"


async def test_evidence_is_handed_over_once_one_at_a_time_and_no_more_when_it_is_enough() -> None:
    source, digest = signed(SoughtPlace.SIG_TAG)
    for number in range(30):
        source.add_bundle(digest, pen("stranger").bundle(statement(digest, predicate={"n": number})))
    seen: list[Evidence] = []

    async def is_enough(_: SoughtPlace, news: Evidence) -> bool:
        seen.append(news)
        await asyncio.sleep(0)
        return False

    proven = ProvenPlaces()
    async with Questions(source, image(), FAR) as questions:
        await Search(questions, proven, image(), digest).run(SIGNATURES, is_enough)
    bundles = [bundle.digest for news in seen for bundle in news.bundles]

    assert len(bundles) == len(set(bundles)) == 30
    assert sum(len(news.simple_signings) for news in seen) == 1
    assert len(proven) == 0


async def test_a_fallback_index_counts_beside_an_empty_list_of_the_api() -> None:
    source, _ = signed(SoughtPlace.FALLBACK_TAG)
    source.has_api = True
    for body in [body for _, body in source.manifests.values() if b"subject" in body]:
        named = json.loads(body)
        del named["subject"]
        digest = source.add(json.dumps(named).encode())
        list_behind_tag(source, Digest.of(source.manifests["v1"][1]), [{"digest": str(digest)}])

    assert await said(source) == ("verified", "signed")


@pytest.mark.parametrize("size", [2_000_000, 1, 0, 10**12])
async def test_a_second_referrer_that_lies_about_the_size_of_the_good_bundle_hides_nothing(size: int) -> None:
    source, digest = signed(SoughtPlace.REFERRERS_API)
    bundle = next(one for one in source.blobs if one != digest)
    layer = {"mediaType": BUNDLE_TYPE, "digest": str(bundle), "size": size}
    source.add_bundle(digest, b"", layers=[layer])

    assert await said(source) == ("verified", "signed")


@pytest.mark.parametrize("size", [2_000_000, 1])
async def test_a_list_that_lies_about_the_size_of_a_manifest_hides_nothing(size: int) -> None:
    source, digest = signed(SoughtPlace.FALLBACK_TAG)
    listed = json.loads(source.manifests[fallback_tag(digest)][1])["manifests"][0]
    list_behind_tag(source, digest, [listed | {"size": size}])

    assert await said(source) == ("verified", "signed")


async def test_the_digest_decides_whatever_size_a_layer_claims() -> None:
    source = MemorySource()
    digest = source.add_image()
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)) | {"size": 1})

    assert await said(source) == ("verified", "signed")


async def test_hundreds_of_strangers_layers_listed_first_hide_no_good_one() -> None:
    source = MemorySource()
    digest = source.add_image()
    strangers = [source.layer(b"%d" % number, b"signature") for number in range(SIGNATURE_LIMIT - 1)]
    source.add_legacy(digest, *strangers, pen("release").sign_legacy(source, simple_signing(digest)))

    assert await said(source) == ("verified", "signed")


@pytest.mark.parametrize("broken", [5, {"digest": "blake3:00", "size": 1}, {"size": -1}, {"annotations": 5}])
async def test_a_layer_that_can_not_be_read_hides_none_of_the_others(broken: object) -> None:
    source = MemorySource()
    digest = source.add_image()
    good = pen("release").sign_legacy(source, simple_signing(digest))
    layers = [good | broken if isinstance(broken, dict) else broken, good]
    source.add(json.dumps({"layers": layers}).encode(), tag=f"sha256-{digest.hex}.sig")

    assert await said(source) == ("verified", "signed")


async def test_hundreds_of_strangers_referrers_within_the_budget_hide_no_good_one() -> None:
    source = MemorySource()
    digest = source.add_image()
    for number in range(REFERRER_LIMIT - 1):
        source.add_bundle(digest, pen("stranger").bundle(statement(digest, predicate={"n": number})))
    source.add_bundle(digest, pen("release").bundle(statement(digest)))

    assert await said(source) == ("verified", "signed")


def daily(source: MemorySource, digest: Digest, count: int) -> None:
    for number in range(count):
        bundle = pen("release").bundle(statement(digest, SBOM, predicate={"n": number}))
        source.add_bundle(digest, bundle, annotations={PREDICATE_ANNOTATION: SBOM})
        source.add_bundle(digest, b"{}", artifactType="application/spdx+json", layers=[], n=number)


async def test_daily_attestations_neither_hide_a_signature_nor_cost_a_question() -> None:
    source = MemorySource()
    digest = source.add_image()
    daily(source, digest, REFERRER_LIMIT + 1)
    source.add_bundle(digest, pen("release").bundle(statement(digest)))
    del source.manifests[fallback_tag(digest)]

    assert await said(source) == ("verified", "signed")
    assert len(source.asked) <= 7


async def test_daily_attestations_make_no_image_invalid_and_are_looked_at_in_part() -> None:
    source = MemorySource()
    digest = source.add_image()
    daily(source, digest, REFERRER_LIMIT + 1)
    del source.manifests[fallback_tag(digest)]

    assert await said(source) == ("unsigned", "no_signature")
    assert len(source.asked) <= 4 + 2 * ASIDE_LIMIT


async def test_a_pile_of_rubbish_is_invalid_and_costs_no_more_than_the_budget() -> None:
    """Fifty manifests of 1 MiB of small objects once took 8 s of CPU, and ended as a tolerated timeout."""
    source = MemorySource()
    digest = source.add_image()
    for number in range(50):
        source.add_bundle(digest, b"", n=number, x=[{}] * 250_000)
    del source.manifests[fallback_tag(digest)]

    assert (await said(source))[0] == "invalid"
    assert sum(question.startswith("GET sha256:") for question in source.asked) <= 9  # the last one shows that it is


async def test_liars_about_size_take_no_more_than_the_budget_and_what_was_in_flight() -> None:
    source = MemorySource(has_api=False)
    digest = source.add_image()
    for number in range(100):
        source.add_bundle(digest, b"", n=number, x="x" * (ITEM_LIMIT - 1000))

    assert await said(source) == ("invalid", "too_large")
    assert sum(question.startswith("GET sha256:") for question in source.asked) <= 24


async def test_liars_about_size_bring_no_more_than_the_budget() -> None:
    """Sixteen questions in flight brought 1 MiB each beside it."""
    source = MemorySource()
    digest = source.add_image()
    source.delays[""] = 0.0
    layers = [
        source.layer(b"%d" % number + b"x" * (ITEM_LIMIT - 10), b"signature") | {"size": 1} for number in range(40)
    ]
    source.add_legacy(digest, *layers)

    assert (await said(source))[0] == "invalid"
    assert source.brought <= TOTAL_LIMIT + 20_000  # what tags lead to is beside it


@pytest.mark.parametrize("count", [8, 20], ids=["within the budget", "beyond it"])
@pytest.mark.parametrize("place", [SoughtPlace.SIG_TAG, SoughtPlace.REFERRERS_API])
async def test_a_copy_that_claims_too_much_hides_no_good_signature(place: SoughtPlace, count: int) -> None:
    source = MemorySource()
    digest = source.add_image()
    good = pen("release").sign_legacy(source, simple_signing(digest))
    note = {"note": "n" * 3000}  # so that the list calls the copy the smaller one
    source.add_bundle(digest, b"", artifactType=SIGNATURE_ARTIFACT_TYPE, layers=[good], annotations=note)
    layers = [source.layer(bytes([number]) * 1_000_000, b"signature") for number in range(count)]
    layers.append(good | {"size": ITEM_LIMIT})
    if place is SoughtPlace.SIG_TAG:
        source.add_legacy(digest, *layers)
    else:
        source.add_bundle(digest, b"", artifactType=SIGNATURE_ARTIFACT_TYPE, layers=layers)

    assert await said(source) == ("verified", "signed")


async def test_within_the_budget_no_claim_refuses_what_nobody_names_otherwise() -> None:
    source = MemorySource()
    digest = source.add_image()
    layers = [source.layer(bytes([number]) * 1_000_000, b"signature") for number in range(8)]
    good = pen("release").sign_legacy(source, simple_signing(digest))
    source.add_legacy(digest, *layers, good | {"size": ITEM_LIMIT})

    assert await said(source) == ("verified", "signed")


def test_claims_that_are_too_high_make_no_queue() -> None:
    """Each would wait until all before it have come, and a good one behind them would come too late."""

    async def scenario() -> tuple[Judgement, float]:
        source = MemorySource(delays={"": 0.1})
        digest = source.add_image()
        large = [source.layer(bytes([number]) * 1_000_000, b"signature") | {"size": 1} for number in range(8)]
        small = [source.layer(b"%d" % number, b"signature") | {"size": 500_000} for number in range(160)]
        good = pen("release").sign_legacy(source, simple_signing(digest)) | {"size": 500_001}
        source.add_legacy(digest, *large, *small, good)
        judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), 100.0)
        return judgement, asyncio.get_running_loop().time()

    judgement, time = in_virtual_time(scenario())

    assert judgement.verdict == "verified"
    assert time < 2.0


def test_too_much_to_be_asked_in_time_is_too_many_and_no_timeout() -> None:
    """Whoever pushes chooses the amount: it must not be their way from `unsigned` to `unverifiable`."""

    async def scenario() -> Evidence:
        source, found = MemorySource(), Evidence()
        digest = source.add_image()
        source.add_legacy(digest, *(source.layer(b"%d" % number, b"signature") for number in range(900)))
        source.delays[""] = 0.2

        async def is_enough(_: SoughtPlace, news: Evidence) -> bool:
            nonlocal found
            found += news
            return False

        async with Questions(source, image(), 8.0) as questions:
            await Search(questions, ProvenPlaces(), image(), digest).run(SIGNATURES, is_enough)
        return found

    found = in_virtual_time(scenario())

    assert {error.reason for error in found.defects} == {"too_many"}
    assert found.gaps == ()


@pytest.mark.parametrize("place", ["GET sha256:", "BLOB"])
@pytest.mark.parametrize("error", [NotFoundError("404"), RefusedQuestionError("400")], ids=lambda error: error.reason)
async def test_named_evidence_that_is_refused_is_a_defect(place: str, error: NotFoundError) -> None:
    source = MemorySource()
    digest = source.add_image()
    source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
    source.faults[place] = error

    assert await said(source) == ("invalid", "missing")


async def test_a_layer_with_a_digest_algorithm_that_the_registry_can_not_serve_is_a_defect() -> None:
    source = MemorySource()
    digest = source.add_image()
    layer = pen("release").sign_legacy(source, simple_signing(digest))
    source.add_legacy(digest, layer | {"digest": str(Digest.of(b"x", "sha512"))})
    source.faults["BLOB sha512"] = RefusedQuestionError("400")

    assert await said(source) == ("invalid", "missing")


async def test_an_overwritten_sig_tag_is_never_passed() -> None:
    source, digest = signed(SoughtPlace.SIG_TAG)
    source.add_legacy(digest, source.layer(b"x", b"signature"))

    assert (await said(source))[0] in {"invalid", "unsigned", "untrusted"}
