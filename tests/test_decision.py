from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.decision import Decision, Failure, Finding, audit_annotations, decide, last_word, unanswered, wording
from router.decision.deciding import ANNOTATION_LIMIT
from router.decision.wording import MESSAGE_LIMIT, SHOWN_IMAGES, WARNING_LIMIT, WARNINGS_LIMIT
from router.events.parts import decision_data
from router.reasons import REASONS, Denial, Distrust, EvidenceFlaw, Obstacle, Proof
from router.text import one_line
from router.verdict import Mode, RequestOutcome, Severity, Verdict
from tests.findings import DIGEST, RULE, UNSIGNED, like

SIGNED = like(UNSIGNED, verdict=Verdict.VERIFIED, reason=Proof.SIGNED, detail='signed by "release"')
DOWN = like(UNSIGNED, verdict=Verdict.UNVERIFIABLE, reason=Obstacle.TIMEOUT, detail="no answer", digest=None)
TOLERATED = like(DOWN, on_unverifiable="admit", is_registrys_doing=True)
BROKEN = like(UNSIGNED, verdict=Verdict.INVALID, reason=EvidenceFlaw.DIGEST_MISMATCH, detail="about another digest")
WATCHED = like(UNSIGNED, mode=Mode.DETECT)
NO_RULE = like(
    UNSIGNED,
    verdict=Verdict.DENIED,
    reason=Denial.NO_RULE,
    detail="no rule of the policy names this image",
    rule=None,
    wanted="",
)
REFUSED = like(UNSIGNED, verdict=Verdict.DENIED, pattern="**", wanted="")
UNDELIVERED = Failure("undelivered", "no receipt from siem")


def outcome(*findings: Finding, mode: Mode = Mode.ENFORCE, **more: object) -> tuple[str, bool, str]:
    decision = decide(findings, mode, **more)  # type: ignore[arg-type]  # a case's own keywords
    return decision.outcome.value, decision.would_reject, decision.severity.value


def test_what_is_not_shown_of_a_name_is_not_escaped_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaping is slow: twenty names of a thousand invisible characters held the loop for 80 ms."""
    escaped: list[int] = []

    def counting(text: str) -> str:
        escaped.append(len(text))
        return one_line(text)

    monkeypatch.setattr(wording, "one_line", counting)
    long = like(UNSIGNED, image="\u202e" * 1000, container="\u202e" * 250, detail="\u202e" * 5000)
    decide([long] * 20, Mode.DETECT)

    assert max(escaped) <= max(wording.NAME_LIMIT, wording.DETAIL_LIMIT)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([SIGNED, SIGNED], ("admitted", False, "info")),
        ([], ("admitted", False, "info")),
        ([like(SIGNED, verdict=Verdict.EXEMPT)], ("admitted", False, "info")),
        ([like(SIGNED, verdict=Verdict.INHERITED)], ("admitted", False, "info")),
        ([SIGNED, UNSIGNED], ("rejected", True, "high")),
        ([UNSIGNED, BROKEN], ("rejected", True, "critical")),
        ([like(UNSIGNED, verdict=Verdict.UNTRUSTED)], ("rejected", True, "high")),
        ([NO_RULE], ("rejected", True, "high")),
        ([DOWN], ("rejected", True, "high")),
        ([TOLERATED], ("admitted", False, "medium")),
        ([TOLERATED, UNSIGNED], ("rejected", True, "high")),
        ([WATCHED], ("admitted", True, "medium")),
        ([WATCHED, UNSIGNED], ("rejected", True, "high")),
        ([like(BROKEN, mode=Mode.DETECT)], ("admitted", True, "medium")),
    ],
)
def test_where_the_namespace_enforces_a_failing_image_of_an_enforcing_rule_rejects(
    findings: list[Finding], expected: tuple[str, bool, str]
) -> None:
    assert outcome(*findings) == expected


@pytest.mark.parametrize(
    ("findings", "would_reject", "severity"),
    [([SIGNED], False, "info"), ([UNSIGNED], True, "medium"), ([BROKEN], True, "medium"), ([DOWN], True, "medium")],
)
def test_detect_admits_and_says_what_enforcement_would_do(
    findings: list[Finding],
    would_reject: bool,  # noqa: FBT001 - a case
    severity: str,
) -> None:
    assert outcome(*findings, mode=Mode.DETECT) == ("admitted", would_reject, severity)
    assert outcome(*findings, never_block=True) == ("admitted", would_reject, severity)


def test_a_namespace_that_is_never_blocked_is_in_detect() -> None:
    """The mode of an event says whether enforcement was in force."""
    assert decide([UNSIGNED], Mode.ENFORCE, never_block=True).mode is Mode.DETECT
    assert decide([UNSIGNED], Mode.ENFORCE).mode is Mode.ENFORCE


def test_a_failure_of_the_gate_itself_rejects_only_where_enforced() -> None:
    assert outcome(SIGNED, failure=UNDELIVERED) == ("rejected", True, "high")
    assert outcome(SIGNED, failure=UNDELIVERED, mode=Mode.DETECT) == ("admitted", True, "medium")
    assert outcome(WATCHED, failure=UNDELIVERED) == ("rejected", True, "high")


def test_a_refusal_names_image_container_rule_and_the_next_step() -> None:
    """What the person at the terminal reads, word for word."""
    assert decide([UNSIGNED, SIGNED], Mode.ENFORCE).refusal == (
        'registry.example/shop/web:1.4 (container web): unsigned. Rule "registry.example/shop/*" wants a signature by '
        f'key "release". Sign it with: cosign sign --key ... registry.example/shop/web@{DIGEST}'
    )


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (like(UNSIGNED, digest=None), "cosign sign --key ... registry.example/shop/web:1.4"),
        (
            like(UNSIGNED, reference="r.example:5000/web", image="r.example:5000/web"),
            f"... r.example:5000/web@{DIGEST}",
        ),
        (
            like(UNSIGNED, image=f"web@{DIGEST}", detail="perhaps only the index is signed"),
            "unsigned (no_signature: perhaps only the index is signed). ",
        ),
        (like(UNSIGNED, verdict=Verdict.UNTRUSTED, reason=Distrust.TOO_FEW_SIGNERS), "cosign sign"),
        (BROKEN, "invalid (digest_mismatch: about another digest). "),
        (BROKEN, "Find out who pushed that signature"),
        (DOWN, "unverifiable (timeout: no answer). "),
        (DOWN, "Try again; if it stays so, ask whoever runs the registry."),
        (like(DOWN, reason=Obstacle.NOT_FOUND, detail=""), "unverifiable (not_found). "),
        (like(DOWN, reason=Obstacle.NOT_FOUND), "that the image was pushed"),
        (like(DOWN, reason=Obstacle.UNAUTHORISED), "credentials"),
        (NO_RULE, "denied (no_rule: no rule of the policy names this image). Add a rule to the policy"),
        (like(NO_RULE, reason=Denial.INVALID_REFERENCE), "Write REGISTRY/REPOSITORY:TAG"),
        (like(NO_RULE, image=""), "(no image) (container web): denied"),
        (
            like(REFUSED, reason=Denial.STATIC_DENY),
            'Rule "**" refuses it. Use an image that',
        ),
        (like(UNSIGNED, container_kind="image_volume", container="model"), "(volume model)"),
    ],
)
def test_a_refusal_says_what_to_do(finding: Finding, words: str) -> None:
    assert words in decide([finding], Mode.ENFORCE).refusal


def test_every_failing_image_has_its_line() -> None:
    images = [like(UNSIGNED, image=f"registry.example/shop/web:{number}") for number in range(25)]
    refusal = decide(images, Mode.ENFORCE).refusal

    assert all(f"shop/web:{number} (" in refusal for number in range(SHOWN_IMAGES))
    assert refusal.splitlines()[-1] == "and 5 more images"
    assert len(refusal) <= MESSAGE_LIMIT


def test_lines_lose_their_explanation_before_an_image_loses_its_line() -> None:
    long = like(UNSIGNED, image="r.example/" + "x" * 4000 + ":tag", detail="y" * 5000)
    findings = [like(long, container=f"c{number}" * 40) for number in range(SHOWN_IMAGES)]
    refusal = decide(findings, Mode.ENFORCE).refusal

    assert len(refusal.splitlines()) == SHOWN_IMAGES
    assert len(refusal) <= MESSAGE_LIMIT
    assert all(line.startswith("r.example/x") and ":tag (container c" in line for line in refusal.splitlines())


def test_a_name_that_is_cut_keeps_its_registry_and_its_tag() -> None:
    finding = like(UNSIGNED, image="r.example/" + "x" * 900 + ":1.4")

    assert re.match(r"r\.example/x+…x+:1\.4 \(container web\)", decide([finding], Mode.ENFORCE).refusal)


def test_a_clean_admission_says_how_many_images_passed() -> None:
    exempt = like(SIGNED, verdict=Verdict.EXEMPT)

    assert decide([SIGNED, SIGNED, exempt], Mode.ENFORCE).message == "2 images verified, 1 image exempt"
    assert decide([], Mode.ENFORCE).message == "no images to judge"
    assert decide([SIGNED], Mode.ENFORCE) == Decision(
        RequestOutcome.ADMITTED,
        Mode.ENFORCE,
        would_reject=False,
        severity=Severity.INFO,
        message="1 image verified",
        warnings=(),
        refusal="",
    )


def test_a_warning_in_detect_says_so() -> None:
    decision = decide([UNSIGNED, SIGNED, DOWN], Mode.DETECT)

    assert [warning.partition(": ")[0] for warning in decision.warnings] == ["gatecrier (detect)"] * 2
    assert "shop/web:1.4 (container web): unsigned" in decision.warnings[0]
    assert decision.refusal == ""


def test_half_a_command_is_not_told() -> None:
    """A digest that was cut off would sign nothing."""
    short = like(UNSIGNED, image="a", pattern="b", wanted="c", reference="r.example/d:1")

    assert decide([short], Mode.DETECT).warnings[0].endswith(DIGEST)
    assert "cosign" not in decide([UNSIGNED], Mode.DETECT).warnings[0]


def test_what_a_rule_tolerates_is_told() -> None:
    decision = decide([TOLERATED], Mode.ENFORCE)

    (warning,) = decision.warnings
    assert warning.startswith("gatecrier: registry.example/shop/web:1.4 (container web): unverifiable (timeout)")
    assert warning.endswith("tolerated by `on_unverifiable`")
    assert decision.message.startswith("1 image unverifiable\nregistry.example/shop/web:1.4")


@pytest.mark.parametrize("reason", list(Obstacle))
def test_what_is_not_the_registrys_doing_is_refused_and_says_why(reason: Obstacle) -> None:
    """Whoever deploys chooses a tag that is not there; a rule that admits must not admit that."""
    chosen = like(TOLERATED, reason=reason, is_registrys_doing=False)
    decision = decide([chosen], Mode.ENFORCE)

    assert decision.outcome is RequestOutcome.REJECTED
    assert f"({reason}: no answer; `on_unverifiable: admit` tolerates only what the registry did" in decision.message


def test_only_unverifiable_is_ever_tolerated() -> None:
    for verdict in Verdict:
        finding = like(TOLERATED, verdict=verdict)

        assert finding.is_tolerated == (verdict is Verdict.UNVERIFIABLE)


def test_who_waits_too_long_is_told_what_to_do() -> None:
    waiting = like(DOWN, reason=Obstacle.OVERLOADED)

    assert "ask for fewer images at once" in decide([waiting], Mode.ENFORCE).message


def test_notices_are_told_and_refuse_nothing() -> None:
    decision = decide([], Mode.ENFORCE, notices=["this kind\ncan't be read"])

    assert decision.outcome is RequestOutcome.ADMITTED
    assert decision.would_reject is False
    assert decision.warnings == ("gatecrier: this kind\\ncan't be read",)
    assert decision.message == "no images to judge\nthis kind\\ncan't be read"


def test_events_say_what_failed_besides_images() -> None:
    unreadable = decide([], Mode.DETECT, failure=Failure.unreadable("no containers"))
    ours = [last_word("an internal error", blocks=blocks) for blocks in (True, False)]

    assert [decision_data(one).get("failure") for one in (unreadable, *ours)] == ["unreadable", *["internal_error"] * 2]
    assert decision_data(unanswered(unreadable)).get("failure") == "unreadable"
    assert "failure" not in decision_data(decide([SIGNED], Mode.DETECT))


def test_a_failure_tells_its_reason_and_never_says_refused_of_an_admission() -> None:
    admitted, refused = (decide([SIGNED], mode, failure=UNDELIVERED) for mode in (Mode.DETECT, Mode.ENFORCE))

    assert "undelivered" in refused.refusal
    assert "no receipt from siem" in refused.refusal
    assert admitted.warnings[0].startswith("gatecrier (detect): Gatecrier itself failed (undelivered)")
    assert not re.search("refused|rejected", admitted.message + "".join(admitted.warnings))


def test_equal_warnings_are_told_once() -> None:
    assert len(decide([UNSIGNED] * 8, Mode.DETECT).warnings) == 1


def test_more_images_than_are_shown_are_counted_in_warnings() -> None:
    many = [like(UNSIGNED, image=f"a:{number}", pattern="b", wanted="c") for number in range(30)]

    assert decide(many, Mode.DETECT).warnings[-1] == "gatecrier (detect): and 10 more images"


def test_warnings_that_do_not_fit_are_counted() -> None:
    """Beyond 4,096 characters the API server cuts what others warn of, too."""
    many = [like(UNSIGNED, image=f"r.example/{'x' * 200}:{number}") for number in range(SHOWN_IMAGES)]
    warnings = decide(many, Mode.DETECT).warnings

    assert sum(map(len, warnings)) <= WARNINGS_LIMIT
    told = len(warnings) - 1
    assert warnings[-1] == f"gatecrier (detect): and {20 - told} more warnings; the event tells of every image"
    noted = decide([], Mode.ENFORCE, notices=[f"{number} {'x' * 300}" for number in range(30)])
    assert noted.warnings[-1].startswith("gatecrier: and ")


def test_audit_annotations_are_such_that_the_api_server_keeps_them() -> None:
    findings = [like(UNSIGNED, pattern="x" * 900 + str(number)) for number in range(30)]
    decision = decide(findings, Mode.ENFORCE)
    annotations = audit_annotations(decision, findings)

    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,63}", key) for key in annotations)
    assert all(len(value) <= ANNOTATION_LIMIT for value in annotations.values())
    assert annotations["outcome"] == "rejected"


def test_audit_annotations_say_verdicts_and_rules() -> None:
    """What fails comes first: twenty images that pass must not push it out."""
    annotations = audit_annotations(decide([SIGNED, NO_RULE], Mode.DETECT), [SIGNED, NO_RULE])

    assert annotations == {
        "outcome": "admitted",
        "mode": "detect",
        "would-reject": "true",
        "verdicts": "denied(no_rule) verified(signed)",
        "rules": "registry.example/shop/*",
    }


ANY_TEXT = st.text(max_size=40) | st.text(min_size=250, max_size=600)
FINDINGS = st.lists(
    st.builds(
        like,
        st.just(UNSIGNED),
        container=ANY_TEXT,
        container_kind=st.sampled_from(["container", "image_volume"]),
        image=ANY_TEXT,
        reference=st.none() | st.just("r.example/a:1"),
        digest=st.none() | st.just(UNSIGNED.judgement.digest),
        rule=st.none()
        | st.builds(
            replace,
            st.just(RULE),
            pattern=st.just("r.example/*") | st.just("r" * 1024),
            mode=st.sampled_from(Mode),
            on_unverifiable=st.sampled_from(["reject", "admit"]),
        ),
        verdict=st.sampled_from(Verdict),
        reason=st.sampled_from([code for codes in REASONS.values() for code in codes]),
        detail=ANY_TEXT,
        cached=st.booleans(),
        is_registrys_doing=st.booleans(),
        wanted=st.just("") | st.just("a signature") | ANY_TEXT.map(one_line),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(
    findings=FINDINGS,
    mode=st.sampled_from(Mode),
    never_block=st.booleans(),
    failure=st.none() | st.builds(Failure, st.just("internal_error"), ANY_TEXT),
    notices=st.lists(ANY_TEXT, max_size=3),
)
def test_whatever_was_found_a_decision_keeps_its_promises(
    findings: list[Finding],
    mode: Mode,
    never_block: bool,  # noqa: FBT001 - a case
    failure: Failure | None,
    notices: list[str],
) -> None:
    decision = decide(findings, mode, never_block=never_block, failure=failure, notices=notices)
    is_rejected = decision.outcome is RequestOutcome.REJECTED
    failing = [finding for finding in findings if finding.is_failing]
    enforced = decide(
        [finding if finding.rule is None else like(finding, mode=Mode.ENFORCE) for finding in findings],
        Mode.ENFORCE,
        failure=failure,
    )

    assert not (is_rejected and (mode is Mode.DETECT or never_block)), "detect never blocks"
    assert decision.would_reject or not is_rejected
    assert decision.would_reject == (enforced.outcome is RequestOutcome.REJECTED)
    assert bool(decision.refusal) == is_rejected
    assert is_rejected == (decision.severity in {Severity.HIGH, Severity.CRITICAL})
    assert decision.message
    assert len(decision.message) <= MESSAGE_LIMIT
    assert all(0 < len(warning) <= WARNING_LIMIT and warning.isprintable() for warning in decision.warnings)
    assert sum(map(len, decision.warnings)) <= WARNINGS_LIMIT
    assert len(set(decision.warnings)) == len(decision.warnings)
    if decision.would_reject and not is_rejected:
        assert decision.warnings[0].startswith("gatecrier (detect): ")
    lines = decision.message.splitlines()
    assert len([line for line in lines if ": " in line]) >= min(len(failing), SHOWN_IMAGES)
