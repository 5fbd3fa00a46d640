"""The memory of judgements."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from router.images import Digest
from router.reasons import Distrust, Proof
from router.verdict import Verdict
from router.verification.judgement import Judgement
from router.verification.scheme import Signer
from router.verification.verdict_cache import PROOF_BYTES, REFUSAL_BYTES, VerdictCache, VerdictKey

DIGEST = Digest.of(b"the image")


def key(number: int = 0) -> VerdictKey:
    return ("registry.example", "shop/web", DIGEST, f"rule {number}", "trust")


def judgement(verdict: Verdict = Verdict.VERIFIED) -> Judgement:
    return Judgement(verdict, Proof.SIGNED, "detail", DIGEST, (), cached=False)


def refusal(detail: str) -> Judgement:
    return Judgement(Verdict.UNTRUSTED, Distrust.UNTRUSTED_SIGNER, detail, DIGEST, (), cached=False)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_remembered_says_so(verdict: Verdict) -> None:
    cache = VerdictCache(lambda: 0.0)
    cache.put(key(), judgement(verdict))
    kept = cache.get(key())

    assert (kept is not None) == (verdict in {"verified", "unsigned", "untrusted", "invalid"})
    assert kept is None or kept.judgement.cached


def room_for(count: int, *kept: Judgement) -> int:
    """Bytes that so many of these take."""
    probe = VerdictCache(lambda: 0.0)
    for number, entry in enumerate(kept or (judgement(),)):
        probe.put(key(number), entry)
    return probe.size * count


def test_the_one_unused_for_longest_goes_first() -> None:
    cache = VerdictCache(lambda: 0.0, proof_bytes=room_for(2))
    cache.put(key(1), judgement())
    cache.put(key(2), judgement())
    cache.get(key(1))
    cache.put(key(3), judgement())

    assert [cache.get(key(number)) is not None for number in (1, 2, 3)] == [True, False, True]
    assert len(cache) == 2


def test_no_number_of_refusals_takes_the_place_of_a_proof() -> None:
    """Whoever deploys can have as many images refused as they like, by dry runs, too."""
    cache = VerdictCache(lambda: 0.0, refusal_bytes=room_for(3))
    cache.put(key(0), judgement())
    for number in range(1, 100):
        cache.put(key(number), judgement(Verdict.UNSIGNED))

    assert cache.get(key(0)) is not None
    assert len(cache) == 4


def test_names_and_details_count_as_they_are_long() -> None:
    """Others choose them: a count alone would bound nothing."""
    cache = VerdictCache(lambda: 0.0, refusal_bytes=20_000)
    for number in range(100):
        cache.put((f"{number}.{'a' * 240}", "b" * 255, DIGEST, "rule", "trust"), refusal("d" * 2000))

    assert cache.size <= 20_000
    assert 3 <= len(cache) <= 20_000 // 2500


def test_what_is_remembered_anew_counts_once() -> None:
    cache = VerdictCache(lambda: 0.0)
    for verdict in (Verdict.VERIFIED, Verdict.UNSIGNED, Verdict.VERIFIED, Verdict.VERIFIED):
        cache.put(key(), judgement(verdict))

    assert len(cache) == 1
    assert cache.size == room_for(1)


def test_fifty_thousand_usual_proofs_fit_and_take_no_more_memory_than_is_said() -> None:
    """The bound is a promise about memory, so it is held against memory: of a tenth of them, in a tenth of it."""
    cache = VerdictCache(lambda: 0.0, proof_bytes=PROOF_BYTES // 10)
    tracemalloc.start()
    try:
        for number in range(5_000):
            cache.put(*usual(number, Verdict.VERIFIED))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert len(cache) == 5_000
    assert taken <= PROOF_BYTES / 10
    assert 0.9 <= taken / cache.size <= 1.1


def test_refusals_take_no_more_memory_than_is_said() -> None:
    cache = VerdictCache(lambda: 0.0, refusal_bytes=REFUSAL_BYTES // 10)
    tracemalloc.start()
    try:
        for number in range(2_000):
            cache.put(*usual(number, Verdict.UNTRUSTED))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert taken <= REFUSAL_BYTES / 10 * 1.1
    assert 0.9 <= taken / cache.size <= 1.1


def usual(number: int, verdict: Verdict) -> tuple[VerdictKey, Judgement]:
    """What a judgement of an image of one team looks like, made of nothing that others share."""
    text = f"registry.example.com/team-{number % 1000:04}/service-{number:06}"
    digest = Digest.parse(f"sha256:{number:064x}")
    registry, _, repository = text.partition("/")
    signers = (Signer("release", "sha256:00", None, None),) if verdict is Verdict.VERIFIED else ()
    detail = f'signed by "release" {number % 10}' if signers else f"1 signature is there, but not by {number}"
    found = Judgement(verdict, Distrust.UNTRUSTED_SIGNER, detail, digest, signers, cached=False)
    return (registry, repository, digest, "rule", "trust"), found


@pytest.mark.parametrize(("until", "is_known"), [(None, True), (1000.5, True), (1000.0, False)])
def test_a_proof_is_good_until_the_time_that_it_names(until: float | None, *, is_known: bool) -> None:
    cache = VerdictCache(lambda: 0.0, lambda: 1000.0)
    cache.put(key(), replace(judgement(), valid_until=until))

    assert (cache.get(key()) is not None) == is_known
    assert len(cache) == is_known


def test_what_is_too_old_is_forgotten() -> None:
    now = 0.0
    cache = VerdictCache(lambda: now)
    cache.put(key(), judgement(Verdict.UNSIGNED))
    now = 30.0

    assert cache.get(key()) is None
    assert len(cache) == 0
