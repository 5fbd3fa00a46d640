"""What every scheme promises, whatever it proves by."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from router.errors import InvalidSignatureError, NotVerifiedError, UnreachableError, UnverifiableError
from router.images import Digest
from router.verdict import Verdict
from router.verification import Judgement, VerifierSettings
from router.verification.catalogue import BUILT_IN
from router.verification.combination import Quantifier
from router.verification.evidence import (
    SIMPLE_SIGNING_TYPE,
    Evidence,
    NotationEnvelope,
    SigstoreBundle,
    SimpleSigning,
)
from router.verification.judgement import refused, ruled
from router.verification.scheme import AnyScheme, Verified
from tests.verification.notation import world as notation
from tests.verification.world import MemorySource, cosign, pen, proven, rule, simple_signing, statement

DIGEST, OTHER = Digest.of(b"the image"), Digest.of(b"another image")
SCHEMES: dict[str, Callable[[], AnyScheme]] = {
    "cosign": lambda: cosign("release", "security").scheme(),
    "notation": lambda: notation.notation(notation.store("release"), notation.store("security")).scheme(),
    "static allow": BUILT_IN[0].scheme,
    "static deny": BUILT_IN[1].scheme,
}
"""By kind, and what is special about it."""


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> AnyScheme:
    return SCHEMES[request.param]()


def signed(digest: Digest, by: str) -> Evidence:
    """Sound evidence of every kind that there is, by one key."""
    source = MemorySource()
    payload = simple_signing(digest)
    layer = pen(by).sign_legacy(source, payload)
    annotations = json.loads(json.dumps(layer["annotations"]))
    bundle = pen(by).bundle(statement(digest))
    return Evidence(
        (SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), next(iter(annotations.values())), payload),),
        (SigstoreBundle(Digest.of(bundle), bundle),),
        notations=tuple(notation.signed(digest, notation.signatory(by), form) for form in notation.FORMS),
    )


def judged(scheme: AnyScheme, evidence: Evidence, threshold: int | None = None) -> Judgement:
    try:
        return ruled(proven(scheme, evidence, DIGEST, rule(threshold=threshold), notation.NOW), DIGEST)
    except NotVerifiedError as error:
        return refused(error, DIGEST)


def test_a_scheme_looks_for_evidence_or_answers_without(scheme: AnyScheme) -> None:
    """Without evidence, a scheme that needs some refuses, and one that needs none never says `verified`."""
    judgement = judged(scheme, Evidence())

    expected = {Verdict.UNSIGNED} if scheme.needs_evidence else {Verdict.EXEMPT, Verdict.DENIED}
    assert judgement.verdict in expected


def test_only_a_scheme_that_looks_for_evidence_verifies(scheme: AnyScheme) -> None:
    judgement = judged(scheme, signed(DIGEST, "release"))

    assert (judgement.verdict is Verdict.VERIFIED) == scheme.needs_evidence
    assert bool(judgement.signers) == scheme.needs_evidence


@pytest.mark.parametrize(
    "evidence",
    [
        signed(OTHER, "release"),
        signed(DIGEST, "stranger"),
        signed(OTHER, "stranger"),
        Evidence(defects=(InvalidSignatureError("broken"),)),
        Evidence(gaps=(UnreachableError("down"),)),
        Evidence(attestations=3),
    ],
    ids=["another digest", "a stranger", "a stranger about another digest", "defect", "gap", "attestations"],
)
def test_nothing_else_verifies(scheme: AnyScheme, evidence: Evidence) -> None:
    assert judged(scheme, evidence).verdict is not Verdict.VERIFIED


def test_broken_foreign_and_missing_evidence_takes_nothing_from_a_proof(scheme: AnyScheme) -> None:
    good = signed(DIGEST, "release")
    noise = signed(DIGEST, "stranger") + signed(OTHER, "security")
    noise += Evidence(defects=(InvalidSignatureError("broken"),), gaps=(UnreachableError("down"),))

    assert judged(scheme, good + noise).verdict == judged(scheme, noise + good).verdict
    assert judged(scheme, good + noise).verdict == judged(scheme, good).verdict


def test_one_signer_is_never_two(scheme: AnyScheme) -> None:
    evidence = signed(DIGEST, "release") + signed(DIGEST, "release") + signed(DIGEST, "stranger")

    assert judged(scheme, evidence, threshold=2).verdict is not Verdict.VERIFIED


def test_what_could_not_be_fetched_is_unverifiable_where_evidence_is_needed(scheme: AnyScheme) -> None:
    gap: UnverifiableError = UnreachableError("down")
    judgement = judged(scheme, signed(DIGEST, "stranger") + Evidence(gaps=(gap,)))

    assert (judgement.verdict is Verdict.UNVERIFIABLE) == scheme.needs_evidence


def test_the_same_question_has_the_same_answer(scheme: AnyScheme) -> None:
    evidence = signed(DIGEST, "release")

    assert judged(scheme, evidence) == judged(scheme, evidence)


def test_whom_it_trusts_has_an_id_that_follows_from_the_trust_alone() -> None:
    ids = {name: make().trust.id for name, make in SCHEMES.items()}

    assert ids == {name: make().trust.id for name, make in SCHEMES.items()}
    assert cosign("release").scheme().trust.id != cosign("security").scheme().trust.id


BYTES = st.binary(max_size=80)
SIGNINGS = st.builds(
    lambda media_type, signature, payload, lies: SimpleSigning(
        media_type, Digest.of(b"x" if lies else payload), signature, payload
    ),
    st.sampled_from([SIMPLE_SIGNING_TYPE, "", "text/plain"]),
    st.text(max_size=20) | st.just("MEUCIQDY"),
    BYTES,
    st.booleans(),
)
BUNDLES = st.builds(lambda body: SigstoreBundle(Digest.of(body), body), BYTES)
ENVELOPES = st.builds(
    lambda form, body: NotationEnvelope(form, Digest.of(body), body), st.sampled_from(notation.FORMS), BYTES
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SIGNINGS, max_size=3), st.lists(BUNDLES, max_size=3), st.lists(ENVELOPES, max_size=3))
def test_no_evidence_crashes_a_scheme_or_convinces_it(
    scheme: AnyScheme, signings: list[SimpleSigning], bundles: list[SigstoreBundle], envelopes: list[NotationEnvelope]
) -> None:
    evidence = Evidence(tuple(signings), tuple(bundles), notations=tuple(envelopes))
    try:
        ruling = proven(scheme, evidence, DIGEST, rule(), notation.NOW)
    except NotVerifiedError:
        return
    assert not isinstance(ruling, Verified)


def test_every_kind_of_verifier_passes_this_suite() -> None:
    """Whoever adds a scheme adds it here. Those that are combined of others are no schemes of their own."""
    adapter: TypeAdapter[object] = TypeAdapter(VerifierSettings)
    kinds = set(adapter.json_schema()["discriminator"]["mapping"]) - {kind.value for kind in Quantifier}

    assert kinds == {name.partition(" ")[0] for name in SCHEMES}
