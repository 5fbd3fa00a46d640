"""Combined verifiers at work: what is asked, remembered and dropped."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from router.errors import UnauthorisedError, UnreachableError
from router.images import Digest
from router.verdict import Verdict
from router.verification import Judgement, Verifier
from router.verification.combination_settings import AllOfSettings, AnyOfSettings
from router.verification.settings import SchemeSettings
from tests.verification.world import MemorySource, cosign, image, in_virtual_time, pen, rule, simple_signing, statement

FAR = float("inf")


def settings(kind: str, *members: SchemeSettings) -> list[SchemeSettings]:
    """The members, and beside them what combines them: `both`."""
    written = {"name": "both", "kind": kind, "verifiers": [entry.name for entry in members]}
    made = (AllOfSettings if kind == "all_of" else AnyOfSettings).model_validate(written)
    made.bind((), members)
    return [*members, made]


RELEASE, SECURITY = cosign("release", verifier="first"), cosign("security", verifier="second")


def signed_by(*names: str, source: MemorySource | None = None) -> tuple[MemorySource, Digest]:
    source = source or MemorySource()
    digest = source.add_image()
    source.add_legacy(digest, *(pen(name).sign_legacy(source, simple_signing(digest)) for name in names))
    return source, digest


@pytest.mark.parametrize(
    ("kind", "signers", "verdict"),
    [
        ("all_of", ("release", "security"), Verdict.VERIFIED),
        ("all_of", ("release",), Verdict.UNTRUSTED),
        ("all_of", (), Verdict.UNSIGNED),
        ("any_of", ("release",), Verdict.VERIFIED),
        ("any_of", ("stranger",), Verdict.UNTRUSTED),
        ("any_of", (), Verdict.UNSIGNED),
    ],
)
async def test_members_prove_together(kind: str, signers: tuple[str, ...], verdict: Verdict) -> None:
    source = signed_by(*signers)[0] if signers else MemorySource()
    source.add_image()
    judgement = await Verifier(source, settings(kind, RELEASE, SECURITY)).judge(image(), rule("both"), FAR)

    assert judgement.verdict is verdict
    assert {entry.name for entry in judgement.signers} == (set(signers) if verdict is Verdict.VERIFIED else set())


@pytest.mark.parametrize("kind", ["all_of", "any_of"])
@pytest.mark.parametrize("threshold", [None, 3])
async def test_equal_evidence_is_fetched_once_however_many_members_look_at_it(kind: str, threshold: int | None) -> None:
    source, digest = signed_by("stranger", "outsider")
    for number in range(5):
        source.add_bundle(digest, pen("stranger").bundle(statement(digest, predicate={"n": number})))
    third = cosign("auditor", verifier="third")
    judgement = await Verifier(source, settings(kind, RELEASE, SECURITY, third)).judge(
        image(), rule("both", threshold), FAR
    )

    assert judgement.verdict is Verdict.UNTRUSTED
    assert max(Counter(source.asked).values()) == 1


@pytest.mark.parametrize("threshold", [2, 3])
async def test_a_threshold_is_met_by_signers_of_several_members(threshold: int) -> None:
    """Every member goes on looking for signers, whoever was found for it first."""
    source, digest = signed_by("release", "security")
    source.add_bundle(digest, pen("auditor").bundle(statement(digest)))
    members = (cosign("release", "auditor", verifier="first"), SECURITY)
    verifier = Verifier(source, settings("any_of", *members))
    judgement = await verifier.judge(image(), rule("both", threshold), FAR)

    assert judgement.verdict is Verdict.VERIFIED
    assert len(judgement.signers) >= threshold
    assert (await verifier.judge(image(), rule("both", 4), FAR)).reason == "too_few_signers"


async def test_a_proof_of_a_member_is_remembered_as_if_it_stood_alone() -> None:
    source, digest = signed_by("release", "security")
    verifier = Verifier(source, settings("all_of", RELEASE, SECURITY))
    await verifier.judge(image(), rule("both"), FAR)
    source.asked.clear()
    alone = await verifier.judge(image(digest=digest), rule("first"), FAR)

    assert (alone.verdict, alone.cached, source.asked) == (Verdict.VERIFIED, True, [])
    assert verifier.remembered(image(digest=digest), rule("both")) is not None


async def test_what_is_remembered_of_members_makes_a_proof_without_a_question() -> None:
    source, digest = signed_by("release", "security")
    verifier = Verifier(source, settings("all_of", RELEASE, SECURITY))
    for name in ("first", "second"):
        await verifier.judge(image(), rule(name), FAR)
    source.asked.clear()
    together = await verifier.judge(image(digest=digest), rule("both"), FAR)

    assert (together.verdict, together.cached, source.asked) == (Verdict.VERIFIED, True, [])


async def test_what_is_made_of_what_is_remembered_is_remembered_no_longer() -> None:
    """Otherwise a proof would be good for two days, and a refusal for a minute."""
    source, _ = signed_by("release", "security")
    now = 0.0
    verifier = Verifier(source, settings("all_of", RELEASE, SECURITY), lambda: now)
    await verifier.judge(image(), rule("first"), FAR)
    now = 23 * 3600.0
    await verifier.judge(image(), rule("both"), FAR)
    now = 24 * 3600.0
    again = await verifier.judge(image(), rule("both"), FAR)

    assert (again.verdict, again.cached) == (Verdict.VERIFIED, False)


async def test_a_member_whose_evidence_was_not_seen_to_its_end_is_not_remembered_as_refused() -> None:
    """Another member was enough: nobody knows what the rest would have proven."""
    source, digest = signed_by("release")
    source.add_bundle(digest, pen("security").bundle(statement(digest)))
    verifier = Verifier(source, settings("any_of", RELEASE, SECURITY))
    await verifier.judge(image(), rule("both"), FAR)

    assert (await verifier.judge(image(), rule("second"), FAR)).verdict is Verdict.VERIFIED


def test_whoever_is_enough_waits_for_no_other() -> None:
    async def scenario() -> tuple[Judgement, float]:
        source, digest = signed_by("release")
        source.add_bundle(digest, pen("stranger").bundle(statement(digest)))
        source.delays["REFERRERS"] = 50.0
        verifier = Verifier(source, settings("any_of", SECURITY, RELEASE))
        judgement = await verifier.judge(image(), rule("both"), 100.0)
        assert len(asyncio.all_tasks()) == 1
        return judgement, asyncio.get_running_loop().time()

    judgement, seconds = in_virtual_time(scenario())

    assert judgement.verdict is Verdict.VERIFIED
    assert seconds < 1


@pytest.mark.parametrize("threshold", [None, 2])
def test_at_the_deadline_what_is_not_known_could_not_be_checked(threshold: int | None) -> None:
    async def scenario() -> Judgement:
        source, _ = signed_by("release")
        source.delays["REFERRERS"] = 50.0
        verifier = Verifier(source, settings("all_of", RELEASE, SECURITY))
        return await verifier.judge(image(), rule("both", threshold), 10.0)

    judgement = in_virtual_time(scenario())

    assert (judgement.verdict, judgement.reason) == (Verdict.UNVERIFIABLE, "timeout")


def test_a_member_that_is_proven_early_takes_no_answer_from_the_others() -> None:
    """They share their questions: who needs no more must not end what another waits for."""

    async def scenario() -> Judgement:
        source, digest = signed_by("release")
        source.add_bundle(digest, pen("security").bundle(statement(digest)))
        source.delays["REFERRERS"] = 5.0
        verifier = Verifier(source, settings("all_of", RELEASE, SECURITY))
        return await verifier.judge(image(), rule("both"), 100.0)

    assert in_virtual_time(scenario()).verdict is Verdict.VERIFIED


def test_who_gives_up_waiting_leaves_nothing_under_way() -> None:
    async def scenario() -> int:
        source, _ = signed_by("release")
        source.delays[""] = 5.0
        verifier = Verifier(source, settings("all_of", RELEASE, SECURITY))
        asking = asyncio.create_task(verifier.judge(image(), rule("both"), 100.0))
        await asyncio.sleep(7)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.1)
        return len(asyncio.all_tasks())

    assert in_virtual_time(scenario()) == 1


@pytest.mark.parametrize(
    ("kind", "verdict"), [("all_of", Verdict.UNTRUSTED), ("any_of", Verdict.UNVERIFIABLE)], ids=["all_of", "any_of"]
)
async def test_a_definite_failure_wins_where_all_are_asked_for(kind: str, verdict: Verdict) -> None:
    """The second looks into a repository that does not answer."""
    source, _ = signed_by("stranger")
    elsewhere = {
        **SECURITY.model_dump(mode="json", exclude_none=True),
        "signature_repository": "down.example/signatures",
    }
    second = type(SECURITY).model_validate(elsewhere)
    first_repository = image().repository
    asked = source.manifest

    async def manifest(*arguments: object) -> object:
        if arguments[0].repository != first_repository:  # type: ignore[attr-defined]  # an image
            raise UnreachableError("down", is_registrys_doing=True)
        return await asked(*arguments)  # type: ignore[arg-type]  # passed on

    source.manifest = manifest  # type: ignore[method-assign,assignment]  # a registry of which one repository is down
    judgement = await Verifier(source, settings(kind, RELEASE, second)).judge(image(), rule("both"), FAR)

    assert judgement.verdict is verdict


async def test_the_registry_that_refuses_us_is_told_before_the_one_that_is_silent() -> None:
    source, _ = signed_by("stranger")
    source.faults["REFERRERS"] = UnauthorisedError("401")
    source.faults["GET sha256-"] = UnreachableError("down", is_registrys_doing=True)
    judgement = await Verifier(source, settings("any_of", RELEASE, SECURITY)).judge(image(), rule("both"), FAR)

    assert (judgement.reason, judgement.is_registrys_doing) == ("unauthorised", False)


async def test_a_bug_in_one_member_reaches_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = signed_by("release")

    def broken(*_: object) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr("router.verification.cosign.legacy.examine", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        await Verifier(source, settings("all_of", RELEASE, SECURITY)).judge(image(), rule("both"), FAR)
