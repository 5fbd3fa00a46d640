"""Judgements: what is asked, remembered and told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from router.errors import (
    ConfigurationError,
    RateLimitedError,
    TimedOutError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.images import Digest
from router.reasons import Denial, Distrust, EvidenceFlaw, Exemption, Obstacle, Proof
from router.verdict import Verdict
from router.verification import Judgement, Verifier
from router.verification.cosign.scheme import CosignScheme
from router.verification.cosign.settings import CosignSettings
from router.verification.cosign.signatories import trust_in
from router.verification.lasting import KnownJudgement
from tests.verification.world import (
    MemorySource,
    cosign,
    image,
    in_virtual_time,
    pen,
    rule,
    simple_signing,
    statement,
    static,
)

FAR = float("inf")


def known_of(known: KnownJudgement | None) -> Judgement | None:
    return None if known is None else known.judgement


def signed_by(*names: str) -> tuple[MemorySource, Digest]:
    source = MemorySource()
    digest = source.add_image()
    source.add_legacy(digest, *(pen(name).sign_legacy(source, simple_signing(digest)) for name in names))
    return source, digest


async def test_a_verified_image_has_its_digest_and_its_signers_with_fingerprints() -> None:
    source, digest = signed_by("release")
    judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)

    assert (judgement.verdict, judgement.reason, judgement.digest) == (Verdict.VERIFIED, Proof.SIGNED, digest)
    (signer,) = judgement.signers
    assert (signer.name, signer.fingerprint) == ("release", pen("release").public.fingerprint)


@pytest.mark.parametrize(
    ("threshold", "required", "verdict", "reason"),
    [
        (None, (), Verdict.VERIFIED, Proof.SIGNED),
        (2, (), Verdict.VERIFIED, Proof.SIGNED),
        (3, (), Verdict.UNTRUSTED, Distrust.TOO_FEW_SIGNERS),
        (None, ("security",), Verdict.VERIFIED, Proof.SIGNED),
        (2, ("security", "release"), Verdict.VERIFIED, Proof.SIGNED),
        (None, ("auditor",), Verdict.UNTRUSTED, Distrust.REQUIRED_SIGNER_MISSING),
        (2, ("auditor",), Verdict.UNTRUSTED, Distrust.REQUIRED_SIGNER_MISSING),
    ],
)
async def test_demands_count_distinct_keys(
    threshold: int | None, required: Sequence[str], verdict: Verdict, reason: str
) -> None:
    source, _ = signed_by("release", "security", "release", "stranger")
    verifier = Verifier(source, [cosign("release", "security", "auditor")])
    judgement = await verifier.judge(image(), rule(threshold=threshold, required=required), FAR)

    assert (judgement.verdict, judgement.reason) == (verdict, reason)


async def test_what_judged_an_image_has_one_id_for_equal_demands_and_an_equal_trust() -> None:
    """An image that fails where it was verified has changed only if what judges it has not."""
    source, digest = signed_by("release")
    verifier, restarted = (Verifier(source, [cosign("release"), cosign("release", verifier="two")]) for _ in "ab")
    other = Verifier(source, [cosign("release", "security")])
    by_tag = await verifier.judge(image(), rule(), FAR)
    by_digest = known_of(verifier.remembered(image(digest=digest), rule()))
    others = [
        await verifier.judge(image(), rule("two"), FAR),
        await verifier.judge(image(), rule(threshold=2), FAR),
        await other.judge(image(), rule(), FAR),
    ]

    assert by_digest is not None
    assert by_tag.judged_by == by_digest.judged_by == (await restarted.judge(image(), rule(), FAR)).judged_by
    assert len({by_tag.judged_by, "", *(one.judged_by for one in others)}) == 5


async def test_what_was_held_against_nothing_was_judged_by_nothing() -> None:
    allowed = await Verifier(MemorySource(), [static(allow=True)]).judge(image(), rule(static(allow=True).name), FAR)

    assert (allowed.verdict, allowed.judged_by) == (Verdict.EXEMPT, "")


async def test_a_trusted_claim_about_another_digest_is_told_before_broken_evidence() -> None:
    source = MemorySource()
    digest, other = source.add_image(), Digest.of(b"another")
    broken = source.layer(b"x", "%%%")
    source.add_legacy(digest, broken, pen("release").sign_legacy(source, simple_signing(other)))
    judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)

    assert (judgement.verdict, judgement.reason) == (Verdict.INVALID, EvidenceFlaw.DIGEST_MISMATCH)
    assert str(other) in judgement.detail


async def test_who_signed_and_who_did_not_is_told() -> None:
    source, _ = signed_by("release")
    verifier = Verifier(source, [cosign("release", "security"), cosign("security", verifier="one")])
    few = await verifier.judge(image(), rule(threshold=2), FAR)
    lacking = await verifier.judge(image(), rule(required=["security"]), FAR)
    nobody = await verifier.judge(image(), rule("one"), FAR)

    assert few.detail == 'signed by "release" only; 2 different signers are wanted'
    assert lacking.detail == 'signed by "release", but not by "security"'
    assert nobody.detail == '1 signature is there, but not by key "security"'


async def test_an_unsigned_image_by_digest_may_be_a_platform_of_a_signed_index() -> None:
    source = MemorySource()
    digest = source.add_image()
    verifier = Verifier(source, [cosign("release", "security")])
    by_tag = await verifier.judge(image(), rule(), FAR)
    by_digest = await verifier.judge(image(digest=digest), rule(), FAR)
    known = known_of(verifier.remembered(image(digest=digest), rule()))

    assert by_tag.detail == "neither a .sig tag nor a referrer holds a signature"
    assert "perhaps only the index is signed" in by_digest.detail
    assert known == by_digest


async def test_what_one_image_asks_is_checked_in_slices_and_another_is_judged_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever can push chooses how many signatures there are; nobody else's image waits for them."""
    monkeypatch.setattr("router.slices.SLICE", 0.0)
    source, _ = signed_by(*["stranger"] * 50)
    digest = source.add_image("v2", "another image")
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))
    verifier = Verifier(source, [cosign("release", "security", "auditor")])
    slow = asyncio.create_task(verifier.judge(image(), rule(), FAR))
    quick = asyncio.create_task(verifier.judge(image("v2"), rule(), FAR))
    done, _ = await asyncio.wait({slow, quick}, return_when=asyncio.FIRST_COMPLETED)

    assert done == {quick}
    assert (await slow).verdict is Verdict.UNTRUSTED


async def test_a_proof_is_not_good_for_longer_than_the_trust_that_it_was_made_under() -> None:
    """Roots and certificates end; a proof that is remembered for a day must not outlive them."""
    now, source = 1000.0, signed_by("release")[0]
    digest = await source.resolve(image(), FAR)
    verifier = Verifier(source, [cosign("release")], now=lambda: now)
    scheme = verifier._schemes["keys"]
    assert isinstance(scheme, CosignScheme)
    verifier._schemes["keys"] = CosignScheme(replace(scheme.trust, valid_until=1100.0))
    proven = await verifier.judge(image(), rule(), FAR)
    now = 1099.0
    still = known_of(verifier.remembered(image(digest=digest), rule()))
    now = 1100.0
    ended = await verifier.judge(image(digest=digest), rule(), FAR)

    assert (proven.verdict, proven.valid_until) == (Verdict.VERIFIED, 1100.0)
    assert still is not None
    assert (ended.verdict, ended.reason, ended.is_registrys_doing) == (
        Verdict.UNVERIFIABLE,
        Obstacle.TRUST_ENDED,
        False,
    )


async def test_whom_to_trust_is_read_for_every_judgement() -> None:
    """What comes from a file or a network changes without a reload; nothing proven before is known any more."""
    source = signed_by("release")[0]
    digest = await source.resolve(image(), FAR)
    verifier = Verifier(source, [cosign("release")])
    verifier._schemes["keys"] = rotating = CosignScheme(trust_in([("release", pen("release").public)]))
    before = await verifier.judge(image(), rule(), FAR)
    rotating.trust = trust_in([("security", pen("security").public)])
    known = known_of(verifier.remembered(image(digest=digest), rule()))
    after = await verifier.judge(image(), rule(), FAR)

    assert (before.verdict, known, after.verdict) == (Verdict.VERIFIED, None, Verdict.UNTRUSTED)


@pytest.mark.parametrize("by_digest", [True, False])
async def test_static_verifiers_ask_nobody(*, by_digest: bool) -> None:
    source, digest = signed_by("release")
    verifier = Verifier(source, [static(allow=True, message="vetted elsewhere")])
    named = image(digest=digest) if by_digest else image()
    exempt = Judgement(
        Verdict.EXEMPT, Exemption.STATIC_ALLOW, "vetted elsewhere", digest if by_digest else None, (), cached=False
    )

    assert known_of(verifier.remembered(named, rule("fixed"))) == exempt
    assert await verifier.judge(named, rule("fixed"), FAR) == exempt
    assert source.asked == []


def test_allow_and_deny_are_built_in() -> None:
    verifier = Verifier(MemorySource(), [])
    allowed, denied = (
        known_of(verifier.remembered(image(), rule("allow"))),
        known_of(verifier.remembered(image(), rule("deny"))),
    )

    assert allowed is not None
    assert denied is not None
    assert (allowed.verdict, allowed.reason) == (Verdict.EXEMPT, Exemption.STATIC_ALLOW)
    assert (denied.verdict, denied.reason) == (Verdict.DENIED, Denial.STATIC_DENY)


async def test_a_proof_is_remembered_and_a_tag_is_asked_for_anew() -> None:
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    first = await verifier.judge(image(), rule(), FAR)
    source.asked.clear()
    second = await verifier.judge(image(), rule(), FAR)

    assert (first.cached, second.cached) == (False, True)
    assert source.asked == ["HEAD v1"]
    assert verifier.remembered(image(), rule()) is None
    assert known_of(verifier.remembered(image(digest=digest), rule())) == second


async def test_a_moved_tag_is_another_image() -> None:
    source, _ = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    source.add_image("v1", "something else")
    judgement = await verifier.judge(image(), rule(), FAR)

    assert judgement.verdict is Verdict.UNSIGNED


@pytest.mark.parametrize(
    ("signers", "seconds", "verdict"),
    [(["release"], 24 * 3600, "verified"), ([], 30, "unsigned"), (["stranger"], 30, "untrusted")],
)
async def test_verdicts_are_remembered_for_as_long_as_they_are_good(
    signers: Sequence[str], seconds: float, verdict: str
) -> None:
    now = 0.0
    source, digest = signed_by(*signers)
    verifier = Verifier(source, [cosign("release")], lambda: now)
    judgement = await verifier.judge(image(), rule(), FAR)
    now = seconds - 1
    still = known_of(verifier.remembered(image(digest=digest), rule()))
    now = seconds

    assert judgement.verdict == verdict
    assert still is not None
    assert verifier.remembered(image(digest=digest), rule()) is None


async def test_what_could_not_be_checked_is_never_remembered() -> None:
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    source.faults["GET sha256-"] = UnreachableError("503")
    first = await verifier.judge(image(), rule(), FAR)
    source.faults.clear()
    known = known_of(verifier.remembered(image(digest=digest), rule()))
    second = await verifier.judge(image(), rule(), FAR)

    assert first.verdict is Verdict.UNVERIFIABLE
    assert known is None
    assert second.verdict is Verdict.VERIFIED


async def test_a_proof_for_one_rule_is_none_for_another() -> None:
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release", "security"), cosign("security", verifier="other")])
    await verifier.judge(image(), rule(), FAR)

    assert verifier.remembered(image(digest=digest), rule(threshold=2)) is None
    assert verifier.remembered(image(digest=digest), rule(required=["security"])) is None
    assert verifier.remembered(image(digest=digest), rule("other")) is None


async def test_a_proof_survives_a_reload_unless_the_trust_changed() -> None:
    """A key that was taken out must stop counting at once, though its proofs are remembered for a day."""

    def reloaded(settings: CosignSettings) -> Verifier:
        return Verifier(source, [settings], cache=before.cache)

    source, digest = signed_by("release")
    before = Verifier(source, [cosign("release")])
    await before.judge(image(), rule(), FAR)
    same, changed = reloaded(cosign("release")), reloaded(cosign("security"))
    renamed = CosignSettings.model_validate(
        cosign("security").model_dump() | {"keys": [cosign("security").model_dump()["keys"][0] | {"name": "release"}]}
    )

    assert same.remembered(image(digest=digest), rule()) is not None
    assert changed.remembered(image(digest=digest), rule()) is None
    assert reloaded(renamed).remembered(image(digest=digest), rule()) is None


async def test_a_proof_in_one_repository_is_none_in_another() -> None:
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)
    elsewhere = type(image())("registry.example", "shop/other", None, digest)

    assert verifier.remembered(elsewhere, rule()) is None


async def test_only_so_many_repositories_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.verification.places._REMEMBERED", 2)
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    for repository in ("a", "b"):
        await verifier.judge(type(image())("registry.example", repository, None, digest), rule(), FAR)

    assert len(verifier._proven_places) == 2  # the last one, and the registry


def test_concurrent_requests_share_one_verification() -> None:
    async def scenario() -> tuple[list[Judgement], list[str]]:
        source, _ = signed_by("release")
        source.delays["BLOB"] = 1.0
        verifier = Verifier(source, [cosign("release")])
        found = await asyncio.gather(*(verifier.judge(image(), rule(), 5.0) for _ in range(8)))
        return found, source.asked

    found, asked = in_virtual_time(scenario())

    assert {judgement.verdict for judgement in found} == {Verdict.VERIFIED}
    assert sum(not question.startswith("HEAD") for question in asked) == 4


def test_a_hanging_registry_is_unverifiable_at_the_deadline() -> None:
    async def scenario() -> tuple[Judgement, float]:
        source, digest = signed_by("release")
        source.delays["GET"] = 3600.0
        verifier = Verifier(source, [cosign("release")])
        judgement = await verifier.judge(image(digest=digest), rule(), 5.0)
        return judgement, asyncio.get_running_loop().time()

    judgement, time = in_virtual_time(scenario())

    assert (judgement.verdict, judgement.reason, time) == (Verdict.UNVERIFIABLE, Obstacle.TIMEOUT, 5.0)


def test_a_hanging_tag_is_unverifiable_at_the_deadline() -> None:
    async def scenario() -> Judgement:
        source, _ = signed_by("release")
        source.delays["HEAD"] = 3600.0
        return await Verifier(source, [cosign("release")]).judge(image(), rule(), 5.0)

    assert in_virtual_time(scenario()).reason == "timeout"


async def test_payloads_are_fetched_at_once() -> None:
    most, now = 0, 0

    class Counting(MemorySource):
        async def blob(self, *asked: object) -> bytes:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1
            return await super().blob(*asked)  # type: ignore[arg-type]  # passed on

    source = Counting()
    digest = source.add_image()
    layers = [pen("release").sign_legacy(source, simple_signing(digest) + b" " * n) for n in range(20)]
    source.add_legacy(digest, *layers)
    await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)

    assert most == 16


async def test_a_rule_without_its_verifier_is_a_mistake_and_no_verdict() -> None:
    verifier = Verifier(MemorySource(), [])
    with pytest.raises(ConfigurationError, match='no verifier "keys"'):
        await verifier.judge(image(), rule(), FAR)

    assert verifier.remembered(image(), rule()) is None


async def test_a_bug_goes_to_the_caller_and_is_not_remembered() -> None:
    class Broken(MemorySource):
        async def blob(self, *_: object) -> bytes:
            raise ZeroDivisionError

    source = Broken()
    digest = source.add_image()
    source.add_legacy(digest, pen("release").sign_legacy(source, simple_signing(digest)))
    verifier = Verifier(source, [cosign("release")])
    with pytest.raises(ZeroDivisionError):
        await verifier.judge(image(), rule(), FAR)

    assert verifier.remembered(image(digest=digest), rule()) is None


def test_wants_says_what_a_rule_asks_for() -> None:
    verifier = Verifier(MemorySource(), [cosign("release", "security")])

    assert verifier.wants(rule()) == "a signature by one of: release, security"


async def test_bundles_and_legacy_signatures_of_strangers_are_counted() -> None:
    source, digest = signed_by("stranger")
    source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
    judgement = await Verifier(source, [cosign("release", "security")]).judge(image(), rule(), FAR)

    assert judgement.detail == '2 signatures are there, but by none of the keys "release", "security"'


TOLERABLE = UnreachableError("no connection", is_registrys_doing=True)


@pytest.mark.parametrize(
    ("legacy", "listed", "reason", "is_registrys_doing"),
    [
        (TOLERABLE, None, "unreachable", True),
        (TOLERABLE, UnauthorisedError("403"), "unauthorised", False),
        (UnauthorisedError("403"), TOLERABLE, "unauthorised", False),
        (TOLERABLE, UnreachableError("no name"), "unreachable", False),
        (TOLERABLE, TimedOutError("too late"), "timeout", False),
        (RateLimitedError("429", is_registrys_doing=True), None, "rate_limited", True),
    ],
)
async def test_of_several_gaps_the_one_that_is_tolerated_least_decides(
    legacy: UnverifiableError,
    listed: UnverifiableError | None,
    reason: str,
    is_registrys_doing: bool,  # noqa: FBT001 - a case
) -> None:
    """A part that was refused is not excused by another that was never answered."""
    source = MemorySource()
    source.add_image()
    source.faults["GET sha256"] = legacy
    if listed is not None:
        source.faults["REFERRERS"] = listed
    judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)

    assert (judgement.reason, judgement.is_registrys_doing) == (reason, is_registrys_doing)


async def test_a_tag_whose_registry_is_down_says_so() -> None:
    source = MemorySource(faults={"HEAD": TOLERABLE})
    judgement = await Verifier(source, [cosign("release")]).judge(image(), rule(), FAR)

    assert (judgement.reason, judgement.is_registrys_doing) == ("unreachable", True)
