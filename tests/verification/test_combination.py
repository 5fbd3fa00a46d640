"""What combined verifiers prove: against a specification in sets, and alone the same as what they are combined of."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ConfigurationError, InvalidSignatureError, UnreachableError
from router.images import Digest
from router.policy import Rule
from router.reasons import REASONS, Obstacle, Reason
from router.steps import finish
from router.verdict import Verdict
from router.verification.catalogue import BUILT_IN
from router.verification.combination import Combination, CombinationCase, Quantifier, Single
from router.verification.combination_settings import AllOfSettings, AnyOfSettings, CombinationSettings
from router.verification.evidence import SIMPLE_SIGNING_TYPE, Evidence, SimpleSigning
from router.verification.examination import Case as SingleCase
from router.verification.judgement import Judgement
from router.verification.scheme import AnyScheme, Findings, Signer
from router.verification.settings import ANY_SIGNER, SchemeSettings
from tests.verification.notation import world as notation
from tests.verification.world import cosign, pen, rule, simple_signing

DIGEST = Digest.of(b"the image")
NAMES = ("a", "b", "c", "d")
SCHEME: AnyScheme = cosign("release").scheme()
DEFINITE = [Verdict.UNTRUSTED, Verdict.INVALID, Verdict.UNSIGNED]
"""Failures, the nearest to proof first."""


def signer(name: str) -> Signer:
    return Signer(name, f"sha256:{name}", None, None)


def judgement(verdict: Verdict, *signers: str, reason: Reason | None = None, until: float | None = None) -> Judgement:
    proven = tuple(map(signer, signers)) if verdict is Verdict.VERIFIED else ()
    reason = next(iter(REASONS[verdict])) if reason is None else reason
    return Judgement(verdict, reason, str(verdict), DIGEST, proven, cached=False, valid_until=until)


def tree(kind: Quantifier, *members: str | Combination) -> Combination:
    parts = (Single(member, SCHEME) if isinstance(member, str) else member for member in members)
    return Combination("both", kind, tuple(parts))


SINGLES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
INNER = st.builds(lambda kind, names: tree(kind, *names), st.sampled_from(Quantifier), SINGLES)
TREES = st.builds(
    lambda kind, members: tree(kind, *members),
    st.sampled_from(Quantifier),
    st.lists(st.sampled_from(NAMES) | INNER, min_size=1, max_size=4),
)
VERDICTS = st.sampled_from([Verdict.VERIFIED, Verdict.UNVERIFIABLE, *DEFINITE])


@dataclass(frozen=True)
class Known:
    """What is known of one member by the specification."""

    verdict: Verdict
    signers: frozenset[str]


def specified(node: Single | Combination, known: Mapping[str, Known]) -> Known:
    """The sentences of the documentation, one by one."""
    if isinstance(node, Single):
        return known[node.name]
    members = [specified(member, known) for member in node.members]
    verdicts = {member.verdict for member in members}
    proven = [member for member in members if member.verdict is Verdict.VERIFIED]
    union = frozenset[str]().union(*(member.signers for member in proven))
    failures = [verdict for verdict in DEFINITE if verdict in verdicts]
    if node.kind is Quantifier.ALL_OF:
        if len(proven) == len(members):
            return Known(Verdict.VERIFIED, union)
        return Known(failures[-1] if failures else Verdict.UNVERIFIABLE, frozenset())
    if proven:
        return Known(Verdict.VERIFIED, union)
    return Known(Verdict.UNVERIFIABLE if Verdict.UNVERIFIABLE in verdicts else failures[0], frozenset())


@given(TREES, st.fixed_dictionaries(dict.fromkeys(NAMES, VERDICTS)), st.data())
def test_verdict_and_signers_are_what_the_documentation_says(
    combination: Combination, verdicts: dict[str, Verdict], data: st.DataObject
) -> None:
    signers = {name: data.draw(st.sets(st.sampled_from("pqr"), min_size=1), label=name) for name in NAMES}
    known = {
        name: Known(verdict, frozenset(signers[name]) if verdict is Verdict.VERIFIED else frozenset())
        for name, verdict in verdicts.items()
    }
    judged = combination.judged({name: judgement(verdicts[name], *sorted(signers[name])) for name in NAMES})
    expected = specified(combination, known)

    assert judged.verdict is expected.verdict
    assert {entry.name for entry in judged.signers} == expected.signers
    assert bool(list(combination.proving({name: judgement(verdicts[name]) for name in NAMES}))) == bool(judged.signers)


@given(st.sampled_from(Quantifier), VERDICTS, VERDICTS)
def test_what_could_not_be_checked_is_told_as_it_is_tolerated_least(
    kind: Quantifier, first: Verdict, second: Verdict
) -> None:
    """One registry that does not answer must not excuse that another refuses our credentials."""
    tolerable = replace(
        judgement(first, "p", reason=Obstacle.UNREACHABLE), is_registrys_doing=first is Verdict.UNVERIFIABLE
    )
    strict = judgement(second, "p", reason=Obstacle.UNAUTHORISED)
    judged = tree(kind, "a", "b").judged({"a": tolerable, "b": strict})

    if judged.verdict is Verdict.UNVERIFIABLE:
        assert judged.is_registrys_doing == (second is not Verdict.UNVERIFIABLE)


def test_a_proof_is_good_for_as_long_as_each_part_of_it() -> None:
    parts = {
        "a": judgement(Verdict.VERIFIED, "p", until=20.0),
        "b": judgement(Verdict.VERIFIED, "q", until=10.0),
        "c": judgement(Verdict.UNSIGNED),
    }

    assert tree(Quantifier.ALL_OF, "a", "b").judged(parts).valid_until == 10.0
    assert tree(Quantifier.ANY_OF, "a", "c").judged(parts).valid_until == 20.0


def test_who_is_refused_reads_what_each_member_says() -> None:
    parts = {
        "a": replace(judgement(Verdict.UNSIGNED), detail="nothing is there"),
        "b": replace(judgement(Verdict.UNTRUSTED), detail="x" * 5000),
    }
    any_of, all_of = (tree(kind, "a", "b").judged(parts) for kind in (Quantifier.ANY_OF, Quantifier.ALL_OF))

    assert any_of.detail.startswith('proven by none of several: "a": nothing is there; "b": xxx')
    assert len(any_of.detail) < 500
    assert all_of.detail == '"a": nothing is there'


def test_without_members_nothing_passes() -> None:
    with pytest.raises(ValueError, match="nothing may pass"):
        tree(Quantifier.ALL_OF)


def test_another_way_to_combine_is_another_trust() -> None:
    """A remembered proof must not outlive a change from `any_of` to `all_of`."""
    made = [
        tree(Quantifier.ALL_OF, "a", "b"),
        tree(Quantifier.ANY_OF, "a", "b"),
        tree(Quantifier.ANY_OF, "a", tree(Quantifier.ALL_OF, "b")),
        tree(Quantifier.ANY_OF, "a"),
        Combination("both", Quantifier.ANY_OF, (Single("a", cosign("security").scheme()), Single("b", SCHEME))),
    ]

    assert len({combination.trust.id for combination in made}) == len(made)
    assert made[0].trust.id == tree(Quantifier.ALL_OF, "a", "b").trust.id


# What a rule demands is asked of the union.

MEMBERS: dict[str, tuple[str, ...]] = {"a": ("k1", "k2"), "b": ("k2", "k3"), "c": ("k4",), "d": ("k1",)}
"""Verifiers and their keys."""


def signings(by: Sequence[tuple[str, str]]) -> Evidence:
    """Signatures by these keys, annotated so."""
    found = []
    for key, note in by:
        payload = json.dumps(json.loads(simple_signing(DIGEST)) | {"optional": {"env": note}}).encode()
        signature = base64.b64encode(pen(key).sign(payload)).decode()
        found.append(SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), signature, payload))
    return Evidence(tuple(found))


def judged_together(combination: Combination, demands: Rule, evidence: Mapping[str, Evidence]) -> Judgement:
    case = CombinationCase(combination, combination.trust, demands, DIGEST, 0.0)
    judgements, found = {}, {}
    for name, scheme in combination.singles.items():
        trust, found[name] = case.trust.material[name], Findings(DIGEST, 0.0)
        finish(scheme.examine(evidence[name], found[name], trust))
        judgements[name] = SingleCase(scheme, trust, ANY_SIGNER, DIGEST, 0.0).judged(found[name])
    return case.judged(judgements, found)


def of_keys(node: Single | Combination) -> Single | Combination:
    """The same combination of verifiers with keys."""
    if isinstance(node, Single):
        return Single(node.name, cosign(*MEMBERS[node.name]).scheme())
    return Combination(node.name, node.kind, tuple(map(of_keys, node.members)))


SIGNED = st.lists(st.tuples(st.sampled_from(["k1", "k2", "k3", "k4"]), st.sampled_from(["prod", "test"])), max_size=4)
DEMANDS = st.builds(
    lambda threshold, required, note: rule("both", threshold, required, {"env": note} if note else None),
    st.none() | st.integers(1, 3),
    st.lists(st.sampled_from(["k1", "k3"]), max_size=1),
    st.sampled_from(["", "prod"]),
)


@given(TREES, SIGNED, DEMANDS)
def test_what_is_demanded_is_asked_of_the_signers_of_all_proven_members(
    plain: Combination, signed: list[tuple[str, str]], demands: Rule
) -> None:
    combination = of_keys(plain)
    assert isinstance(combination, Combination)
    evidence = signings(signed)
    judged = judged_together(combination, demands, dict.fromkeys(NAMES, evidence))

    known = {}
    for name, keys in MEMBERS.items():
        by = frozenset(key for key, _ in signed if key in keys)
        known[name] = Known(Verdict.VERIFIED if by else Verdict.UNTRUSTED if signed else Verdict.UNSIGNED, by)
    expected = specified(combination, known)
    wanted = demands.annotations.get("env")
    counted = {key for key in expected.signers if wanted is None or (key, wanted) in signed}
    is_met = bool(counted) and len(counted) >= (demands.threshold or 1) and set(demands.required) <= counted
    assert (judged.verdict is Verdict.VERIFIED) == (expected.verdict is Verdict.VERIFIED and is_met)
    if judged.verdict is Verdict.VERIFIED:
        assert {entry.name for entry in judged.signers} == counted
    elif expected.verdict is not Verdict.VERIFIED:
        assert judged.verdict is expected.verdict


@given(kind=st.sampled_from(Quantifier), signed=SIGNED, demands=DEMANDS, broken=st.booleans(), gap=st.booleans())
def test_a_combination_of_one_is_that_one(
    *, kind: Quantifier, signed: list[tuple[str, str]], demands: Rule, broken: bool, gap: bool
) -> None:
    evidence = signings(signed)
    evidence += Evidence(
        defects=(InvalidSignatureError("broken"),) if broken else (),
        gaps=(UnreachableError("down", is_registrys_doing=True),) if gap else (),
    )
    single = cosign(*MEMBERS["a"]).scheme()
    trust, found = single.trust, Findings(DIGEST, 0.0)
    finish(single.examine(evidence, found, trust))
    alone = SingleCase(single, trust, demands, DIGEST, 0.0).judged(found)

    assert judged_together(Combination("both", kind, (Single("a", single),)), demands, {"a": evidence}) == alone


def test_what_could_not_be_fetched_for_one_member_may_be_the_signer_that_another_lacks() -> None:
    combination = of_keys(tree(Quantifier.ANY_OF, "a", "c"))
    assert isinstance(combination, Combination)
    evidence = {"a": signings([("k1", "prod")]), "c": Evidence(gaps=(UnreachableError("down"),))}

    assert judged_together(combination, rule("both", 2), evidence).verdict is Verdict.UNVERIFIABLE
    assert judged_together(combination, rule("both", 1), evidence).verdict is Verdict.VERIFIED


# The settings.


def any_of(*names: str, name: str = "any") -> AnyOfSettings:
    return AnyOfSettings(name=name, kind="any_of", verifiers=names)


def all_of(*names: str, name: str = "both") -> AllOfSettings:
    return AllOfSettings(name=name, kind="all_of", verifiers=names)


def bound(*settings: SchemeSettings) -> CombinationSettings:
    """The first, knowing the others."""
    for entry in settings:
        entry.bind((), settings)
    first = settings[0]
    assert isinstance(first, CombinationSettings)
    return first


def test_what_is_wanted_stands_in_words() -> None:
    keys, other = cosign("release", "security"), cosign("auditor", verifier="other")
    both = bound(all_of("keys", "any"), any_of("other", "keys"), keys, other)

    assert both.wants(rule()) == (
        "(a signature by one of: release, security) and "
        '((a signature by key "auditor") or (a signature by one of: release, security))'
    )
    assert both.wants(rule(threshold=2, required=["release"], annotations={"env": "prod"})).endswith(
        ', by 2 different signers together, including release, annotated env="prod"'
    )
    assert bound(any_of("keys"), keys).wants(rule()) == keys.wants(rule())


def test_signers_are_those_of_all_members_unless_authorities_know_them() -> None:
    keys, other = cosign("release"), cosign("auditor", "release", verifier="other")
    supplier = notation.notation(notation.store("release"))
    both = bound(all_of("keys", "other"), keys, other)

    assert [(entry.name, entry.place) for entry in both.signers] == [
        ("release", ("verifiers", 0)),
        ("auditor", ("verifiers", 1)),
        ("release", ("verifiers", 1)),
    ]
    assert bound(all_of("keys", supplier.name, name="mixed"), keys, supplier).signers == ()


@pytest.mark.parametrize(
    "settings",
    [
        (all_of("gone"),),
        (all_of("both"),),
        (all_of("keys", "keys"), cosign("release")),
        (all_of("allow"), *BUILT_IN),
        (all_of("any"), any_of("both")),
        (all_of("any"), any_of("third"), any_of("keys", name="third"), cosign("release")),
    ],
    ids=["unknown", "itself", "twice", "static", "cycle", "three levels"],
)
def test_nothing_can_be_proven_by_members_that_do_not_fit(settings: tuple[SchemeSettings, ...]) -> None:
    """The configuration is refused for it; whoever builds settings by hand gets an error, not an image that passes."""
    with pytest.raises(ConfigurationError, match="members"):
        bound(*settings).scheme()
