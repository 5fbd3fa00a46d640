"""Evidence is examined once, in slices, and no longer than there is time."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest

from router.images import Digest
from router.slices import Slices
from router.steps import finish
from router.verdict import Verdict
from router.verification.account import JudgementAccount
from router.verification.evidence import SIMPLE_SIGNING_TYPE, Beside, Evidence, SigstoreBundle, SimpleSigning
from router.verification.examination import Case, Examination
from router.verification.keys import PublicKey
from router.verification.scheme import AnyScheme, Endorsement, Findings, Verified
from router.verification.sought import SoughtPlace
from tests.verification.world import cosign, pen, rule, simple_signing, statement

DIGEST = Digest.of(b"the image")


def signings(*names: str) -> Evidence:
    found = []
    for number, name in enumerate(names):
        payload = simple_signing(DIGEST) + b" " * number
        signature = base64.b64encode(pen(name).sign(payload)).decode()
        found.append(SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), signature, payload))
    return Evidence(tuple(found))


def bundles(*names: str) -> Evidence:
    bodies = [pen(name).bundle(statement(DIGEST), number=number) for number, name in enumerate(names)]
    return Evidence(bundles=tuple(SigstoreBundle(Digest.of(body), body) for body in bodies))


def case(*keys: str, threshold: int | None = None) -> Case[object]:
    scheme: AnyScheme = cosign(*keys).scheme()
    return Case(scheme, scheme.trust, rule(threshold=threshold), DIGEST, 0.0)


def examination(*keys: str, threshold: int | None = None, deadline: float = float("inf")) -> Examination[object]:
    return Examination(case(*keys, threshold=threshold), Slices(1), deadline)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signatures that are checked, once for each key that is tried."""
    seen: list[bytes] = []
    holds = PublicKey.has_signed

    def noted(key: PublicKey, content: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return holds(key, content, signature)

    monkeypatch.setattr(PublicKey, "has_signed", noted)
    return seen


async def test_no_signature_is_checked_again_when_more_evidence_comes(checks: list[bytes]) -> None:
    """Ten keys on P-521 and hundreds of strangers' signatures take seconds, which nobody may cause twice."""
    under_way = examination("release", "security")
    for news in (signings(*["stranger"] * 5), bundles(*["stranger"] * 5), signings(*["stranger"] * 5)):
        assert not await under_way.is_enough(SoughtPlace.SIG_TAG, news)

    assert len(checks) == 15 * 2
    assert under_way.judgement.detail.startswith("15 signatures are there")


async def test_what_proves_needs_no_look_at_the_rest(checks: list[bytes]) -> None:
    under_way = examination("release", "security", threshold=2)
    evidence = signings("release", "security", *["stranger"] * 50)

    assert await under_way.is_enough(SoughtPlace.SIG_TAG, evidence)
    assert under_way.judgement.verdict is Verdict.VERIFIED
    assert len(checks) == 3


async def test_signatures_from_several_places_are_counted_together() -> None:
    under_way = examination("release", "security", threshold=2)

    assert not await under_way.is_enough(SoughtPlace.SIG_TAG, signings("release"))
    assert under_way.judgement.reason == "too_few_signers"
    assert await under_way.is_enough(SoughtPlace.SIG_TAG, bundles("security"))


@pytest.fixture
def ruled_on(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many endorsements there were each time it was asked what they prove."""
    seen: list[int] = []
    checked = Verified.__post_init__

    def noted(ruling: Verified) -> None:
        seen.append(len(ruling.endorsements))
        checked(ruling)

    monkeypatch.setattr(Verified, "__post_init__", noted)
    return seen


def repeated(count: int) -> list[SimpleSigning]:
    """One signature over and over, each time beside something else that nobody has signed."""
    (signing,) = signings("release").simple_signings
    return [replace(signing, beside=Beside(chain=f"chain {number}")) for number in range(count)]


async def test_one_signature_beside_a_hundred_other_texts_is_ruled_on_once(ruled_on: list[int]) -> None:
    """Where one endorsement is not enough, each of a thousand was ruled on with all before it: seconds of work."""
    under_way = examination("release", "security", threshold=2)

    assert not await under_way.is_enough(SoughtPlace.SIG_TAG, Evidence(tuple(repeated(100))))
    assert under_way.judgement.reason == "too_few_signers"
    assert sum(ruled_on) <= 3


async def test_one_signature_in_a_hundred_pieces_is_ruled_on_alone(ruled_on: list[int]) -> None:
    """Each piece of evidence that comes is followed by a ruling; what that costs does not grow."""
    under_way = examination("release", "security", threshold=2)
    for signing in repeated(100):
        assert not await under_way.is_enough(SoughtPlace.SIG_TAG, Evidence((signing,)))

    assert set(ruled_on) == {1}
    assert await under_way.is_enough(SoughtPlace.REFERRERS_API, bundles("security"))


async def test_what_is_repeated_is_told_in_an_account() -> None:
    account = JudgementAccount()
    under_way = Examination(case("release"), Slices(1), float("inf"), notes=account.by("shop"))
    await under_way.is_enough(SoughtPlace.SIG_TAG, Evidence(tuple(repeated(3))))

    assert [type(piece.meaning) for piece in account.pieces] == [Endorsement] * 3
    assert under_way.judgement.verdict is Verdict.VERIFIED


async def test_others_get_their_turns_between_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.slices.SLICE", 0.0)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await examination("release", "security", "auditor").is_enough(SoughtPlace.SIG_TAG, signings(*["stranger"] * 20))
    task.cancel()

    assert turns >= 20 * 3


async def test_what_there_was_no_time_for_is_unverifiable_and_not_the_registrys_doing(
    monkeypatch: pytest.MonkeyPatch, checks: list[bytes]
) -> None:
    """Otherwise whoever pushes enough would get in where a rule admits what could not be checked."""
    monkeypatch.setattr("router.slices.SLICE", 0.0)
    under_way = examination("release", "security", deadline=0.0)

    assert not await under_way.is_enough(SoughtPlace.SIG_TAG, signings(*["stranger"] * 50))
    judgement = under_way.judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.UNVERIFIABLE, "timeout")
    assert not judgement.is_registrys_doing
    assert len(checks) < 3


async def test_where_there_is_no_time_because_there_is_so_much_whoever_pushed_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever can push could turn what nobody trusts into what could not be checked."""
    monkeypatch.setattr("router.slices.SLICE", 0.0)
    monkeypatch.setattr("router.verification.examination.MANY", 10)
    under_way = examination("release", deadline=0.0)

    assert not await under_way.is_enough(SoughtPlace.SIG_TAG, signings(*["stranger"] * 11))
    judgement = under_way.judgement
    assert (judgement.verdict, judgement.reason) == (Verdict.INVALID, "too_many")


async def test_an_account_tells_what_there_was_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.slices.SLICE", 0.0)
    account = JudgementAccount()
    under_way = Examination(case("release", "security"), Slices(1), 0.0, notes=account.by("shop"))
    for _ in range(2):
        await under_way.is_enough(SoughtPlace.SIG_TAG, signings(*["stranger"] * 5))
    late = [found for found in account.in_order if found[0].digest is None]

    assert under_way.judgement.reason == "timeout"
    assert [[getattr(one.meaning, "reason", None) for one in found] for found in late] == [["timeout"]]


@pytest.mark.parametrize("filler", [b"{},", b'{"a":1},', b"[],", b"1,"])
def test_a_strangers_bundle_is_not_read_object_by_object(monkeypatch: pytest.MonkeyPatch, filler: bytes) -> None:
    """Of many small objects only what is needed to find a stranger is read: a call for each of them took seconds."""

    def refuse(*_: object) -> None:
        raise AssertionError("nobody whom we trust has signed this")

    monkeypatch.setattr("router.verification.documents._distinct", refuse)
    body = pen("stranger").bundle(statement(DIGEST))[:-1] + b',"more":[' + filler * 20_000 + b"0]}"
    found, opened = Findings(DIGEST), case("release")
    finish(opened.scheme.examine(Evidence(bundles=(SigstoreBundle(Digest.of(body), body),)), found, opened.trust))

    assert (found.strangers, found.defects) == (1, [])


def test_what_others_write_around_a_good_signature_can_not_make_it_dear_to_read() -> None:
    """Anybody can take a bundle by a trusted key and push it again with a MiB of small objects beside the envelope."""
    padded = pen("release").bundle(statement(DIGEST))[:-1] + b',"more":[' + b"{}," * 20_000 + b"0]}"
    found, opened = Findings(DIGEST), case("release")
    good = bundles("release").bundles
    pieces = Evidence(bundles=(SigstoreBundle(Digest.of(padded), padded), *good))
    finish(opened.scheme.examine(pieces, found, opened.trust))

    assert [defect.reason for defect in found.defects] == ["too_many"]
    assert opened.judged(found).verdict is Verdict.VERIFIED
