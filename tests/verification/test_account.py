"""What was looked at for one judgement: an account tells of each piece, and changes no judgement."""

from __future__ import annotations

from collections import Counter

import pytest

from router.errors import UnreachableError
from router.images import Digest, ImageReference
from router.registry.referrers import fallback_tag
from router.verdict import Verdict
from router.verification import Judgement, JudgementAccount, Verifier
from router.verification.account import NoSignature, Stranger
from router.verification.combination_settings import AllOfSettings
from router.verification.evidence import PREDICATE_ANNOTATION, EvidenceFormat
from router.verification.scheme import Endorsement
from router.verification.sought import SoughtPlace
from tests.verification.notation.world import notation
from tests.verification.test_cases import CASES, settings_of
from tests.verification.test_search import FAR, signed
from tests.verification.test_together import RELEASE, SECURITY, settings, signed_by
from tests.verification.world import DATA, MemorySource, cosign, image, in_virtual_time, pen, rule, statement

SBOM = "https://spdx.dev/Document"


async def accounted(
    source: MemorySource, *keys: str, threshold: int | None = None
) -> tuple[Judgement, JudgementAccount]:
    """The judgement and its account; the same comes of it without one."""
    verifier, account = Verifier(source, [cosign(*keys)]), JudgementAccount()
    judgement = await verifier.judge(image(), rule(threshold=threshold), FAR, account)
    without = await Verifier(source, [cosign(*keys)]).judge(image(), rule(threshold=threshold), FAR)

    assert (judgement.verdict, judgement.reason, judgement.digest) == (without.verdict, without.reason, without.digest)
    return judgement, account


async def test_every_piece_is_told_with_its_place_and_what_it_is() -> None:
    source, digest = signed(SoughtPlace.SIG_TAG)
    source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
    source.add_bundle(digest, pen("release").bundle(statement(Digest.of(b"another"))))
    source.add_bundle(digest, pen("release").bundle(statement(digest, SBOM)), annotations={PREDICATE_ANNOTATION: SBOM})
    del source.manifests[fallback_tag(digest)]
    _, account = await accounted(source, "release")

    told = {(piece.place, piece.format, type(piece.meaning).__name__) for piece in account.pieces}
    assert told == {
        (SoughtPlace.SIG_TAG, EvidenceFormat.SIMPLE_SIGNING, "Endorsement"),
        (SoughtPlace.REFERRERS_API, EvidenceFormat.BUNDLE, "Stranger"),
        (SoughtPlace.REFERRERS_API, EvidenceFormat.BUNDLE, "InvalidSignatureError"),
        (SoughtPlace.REFERRERS_API, EvidenceFormat.BUNDLE, "NoSignature"),
    }
    assert account.places == (SoughtPlace.SIG_TAG, SoughtPlace.REFERRERS_API, SoughtPlace.FALLBACK_TAG)


async def test_all_is_looked_at_although_the_image_is_proven() -> None:
    """Whoever asks why wants to see what else lies there; the gate stops at the proof."""
    source, digest = signed(SoughtPlace.SIG_TAG)
    for number in range(5):
        source.add_bundle(digest, pen("release").bundle(statement(digest, predicate={"n": number})))
    judgement, account = await accounted(source, "release")

    assert judgement.verdict == "verified"
    assert sum(isinstance(piece.meaning, Endorsement) for piece in account.pieces) == 6


async def test_what_could_not_be_fetched_is_told_where_it_should_have_been() -> None:
    source, _ = signed(SoughtPlace.SIG_TAG)
    source.faults["REFERRERS"] = UnreachableError("no connection")
    judgement, account = await accounted(source, "security")
    (gap,) = [piece for piece in account.pieces if piece.place is SoughtPlace.REFERRERS_API]

    assert judgement.verdict == "unverifiable"
    assert (gap.digest, gap.format, str(gap.meaning)) == (None, None, "no connection")


async def test_an_account_is_made_anew_whatever_is_remembered() -> None:
    source, _ = signed(SoughtPlace.SIG_TAG)
    verifier, first, second = Verifier(source, [cosign("release")]), JudgementAccount(), JudgementAccount()
    await verifier.judge(image(), rule(), FAR)
    for account in (first, second):
        judgement = await verifier.judge(image(), rule(), FAR, account)

        assert not judgement.cached
    assert first.pieces == second.pieces
    assert len(first.pieces) == 1


async def test_attestations_that_nobody_looked_into_are_counted() -> None:
    source, digest = signed(SoughtPlace.SIG_TAG)
    for number in range(3):
        source.add_bundle(
            digest,
            pen("x").bundle(statement(digest, SBOM, predicate={"n": number})),
            annotations={PREDICATE_ANNOTATION: SBOM},
        )
    judgement, account = await accounted(source, "release")
    counted = [piece.meaning.count for piece in account.pieces if isinstance(piece.meaning, NoSignature)]

    assert judgement.verdict == "verified"
    assert sum(counted) == 3


@pytest.mark.parametrize("threshold", [1, 2])
async def test_strangers_are_told_one_by_one(threshold: int) -> None:
    source, digest = signed(SoughtPlace.SIG_TAG)
    for number in range(3):
        source.add_bundle(digest, pen(f"stranger-{number}").bundle(statement(digest)))
    _, account = await accounted(source, "release", threshold=threshold)

    assert sum(piece.meaning == Stranger("") for piece in account.pieces) == 3


@pytest.mark.parametrize("has_api", [True, False])
async def test_an_account_changes_no_judgement_about_what_real_tools_have_signed(*, has_api: bool) -> None:
    """Every layout of the recorded cases, looked at with and without an account."""
    for case in CASES:
        policy = case["expect"][0]["policy"]
        if policy["kind"] != "cosign":
            continue
        asked = rule(**{name: policy[name] for name in ("threshold", "required", "annotations") if name in policy})
        settings, where = settings_of(policy["keys"]), DATA / "layouts" / case["layout"]
        account, named = JudgementAccount(), image(case["reference"])
        with_one, without = [
            await Verifier(MemorySource.of_layout(where, has_api=has_api), [settings]).judge(named, asked, FAR, *given)
            for given in ((account,), ())
        ]
        proofs = [piece.meaning for piece in account.pieces if isinstance(piece.meaning, Endorsement)]

        assert (with_one.verdict, with_one.digest) == (without.verdict, without.digest), case["name"]
        assert set(without.signers) <= {proof.signer for proof in proofs}, case["name"]


def shown(account: JudgementAccount) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Each piece once: where it lay, and what it is to whom."""
    return {
        (found[0].place.value, tuple((one.verifier, type(one.meaning).__name__) for one in found))
        for found in account.in_order
    }


@pytest.mark.parametrize(
    ("kind", "threshold", "verdict"),
    [
        ("any_of", None, Verdict.VERIFIED),
        ("any_of", 2, Verdict.UNTRUSTED),
        ("all_of", None, Verdict.UNTRUSTED),
        ("all_of", 2, Verdict.UNTRUSTED),
    ],
)
async def test_every_member_says_what_each_piece_is_to_it(kind: str, threshold: int | None, verdict: Verdict) -> None:
    """Also where one of them has proven the image already, and whatever is remembered of them."""
    source, digest = signed_by("release")
    source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
    verifier, asked = Verifier(source, settings(kind, RELEASE, SECURITY)), rule("both", threshold)
    without = await verifier.judge(image(), asked, FAR)
    source.asked.clear()
    account = JudgementAccount()
    judgement = await verifier.judge(image(), asked, FAR, account)

    assert judgement.verdict is without.verdict is verdict
    assert (judgement.reason, judgement.signers) == (without.reason, without.signers)
    assert shown(account) == {
        ("sig_tag", (("first", "Endorsement"), ("second", "Stranger"))),
        ("referrers_api", (("first", "Stranger"), ("second", "Stranger"))),
    }
    assert max(Counter(source.asked).values()) == 1


async def test_members_of_members_say_so_too_each_once() -> None:
    source, _ = signed_by("release")
    inner = settings("any_of", RELEASE, SECURITY)
    outer = AllOfSettings.model_validate({"name": "whole", "kind": "all_of", "verifiers": ["first", "both"]})
    outer.bind((), inner)
    account = JudgementAccount()
    judgement = await Verifier(source, [*inner, outer]).judge(image(), rule("whole"), FAR, account)

    assert judgement.verdict is Verdict.VERIFIED
    assert shown(account) == {("sig_tag", (("first", "Endorsement"), ("second", "Stranger")))}


async def test_places_are_those_of_all_members() -> None:
    source, _ = signed_by("release")
    members = (RELEASE, notation())
    account = JudgementAccount()
    await Verifier(source, settings("any_of", *members)).judge(image(), rule("both"), FAR, account)

    assert account.places == (SoughtPlace.SIG_TAG, SoughtPlace.REFERRERS_API, SoughtPlace.FALLBACK_TAG)


async def test_what_no_member_could_fetch_is_told_once_with_all_of_them() -> None:
    source, _ = signed_by("stranger")
    source.faults["REFERRERS"] = UnreachableError("no connection")
    account = JudgementAccount()
    judgement = await Verifier(source, settings("any_of", RELEASE, SECURITY)).judge(image(), rule("both"), FAR, account)

    assert judgement.verdict is Verdict.UNVERIFIABLE
    assert ("referrers_api", (("first", "UnreachableError"), ("second", "UnreachableError"))) in shown(account)


class HalfFar(MemorySource):
    """A registry that answers later about every repository but the image's own."""

    async def _note(self, question: str, where: ImageReference, deadline: float) -> None:
        if where.repository != image().repository:
            await self._wait(5.0, deadline)
        await super()._note(question, where, deadline)


def test_a_member_that_takes_longer_is_waited_for_although_another_has_proven_the_image() -> None:
    """The gate would not wait."""
    written = SECURITY.model_dump(mode="json", exclude_none=True) | {"signature_repository": "r.example/elsewhere"}
    members = settings("any_of", RELEASE, type(SECURITY).model_validate(written))

    async def scenario() -> JudgementAccount:
        source, _ = signed_by("release", source=HalfFar())
        account = JudgementAccount()
        await Verifier(source, members).judge(image(), rule("both"), 100.0, account)
        return account

    assert ("sig_tag", (("first", "Endorsement"), ("second", "Stranger"))) in shown(in_virtual_time(scenario()))
