"""The decision about a request. Pure.

Rules:
(1) A finding fails when its verdict is none that passes, and it is not an `unverifiable` that is the registry's doing
    and that the rule tolerates (`on_unverifiable: admit`). What is the registry's doing was decided in verification.
    One that an exemption lets in does not fail; that it is let in so is told with every decision.
(2) `would_reject`: a finding fails, or the gate itself did; whatever the mode of namespace and rule.
(3) A request is rejected only where its namespace enforces, it is not in a namespace that is never blocked, and a
    failing finding's rule enforces, too (or the gate itself failed).
    Where the glass was broken nothing is rejected for its images, whatever they are; `would_reject` stays true.
(4) Severity: critical where the glass was broken, and for a rejection with an `invalid` among its verdicts (somebody
    presents a signature of something else), high for any other rejection, medium for what would be rejected and for
    what could not be checked, else info.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from router.decision import wording
from router.decision.finding import Failure, FailureReason, Finding
from router.decision.glass import Glass
from router.verdict import Mode, RequestOutcome, Severity, Verdict

ANNOTATION_LIMIT = 1024
"""Characters of an audit annotation."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the API server is told, and what people are told."""

    outcome: RequestOutcome
    mode: Mode
    would_reject: bool
    severity: Severity
    message: str
    """For the event: what happened and why."""
    warnings: tuple[str, ...]
    """For the person at the terminal, with an admission or a refusal."""
    refusal: str
    """Why it was refused; empty where it was not."""
    glass: Glass | None = None
    """By what it was let in although it may fail."""
    failure: FailureReason | None = None
    """Why it can't be admitted whatever its images are; None where that is not so."""


def decide(
    findings: Sequence[Finding],
    mode: Mode,
    *,
    never_block: bool = False,
    failure: Failure | None = None,
    notices: Sequence[str] = (),
    glass: Glass | None = None,
) -> Decision:
    """The decision about a request in a namespace of this mode.

    Args:
        findings: What was found out about its images.
        mode: Whether failing images block there.
        never_block: Whether nothing is refused there.
        failure: Why it can't be admitted whatever its images are.
        notices: What is told besides, and never refuses.
        glass: By what it is let in whatever its images are; nothing with a failure.
    """
    failing = [finding for finding in findings if finding.is_failing]
    in_force = Mode.DETECT if never_block else mode
    would_reject = bool(failing) or failure is not None
    blocks = failure is not None or any(finding.is_enforced for finding in failing)
    is_rejected = in_force is Mode.ENFORCE and blocks and glass is None
    is_critical = glass is not None
    besides = [] if glass is None else [wording.broken(glass)]
    besides += [*wording.tolerated(findings), *wording.exempted(findings), *map(wording.noted, notices)]
    message = wording.message(findings, failing, failure, besides)
    blamed = () if is_rejected or not would_reject else wording.reproaches(failing, failure)
    # By break-glass it is let in where it is enforced, too: no line may say that this was only watched.
    warned, besides = ((), [*besides, *blamed]) if is_critical else (blamed, besides)
    return Decision(
        outcome=RequestOutcome.REJECTED if is_rejected else RequestOutcome.ADMITTED,
        mode=in_force,
        would_reject=would_reject,
        severity=Severity.CRITICAL if is_critical else _severity(findings, rejected=is_rejected, would=would_reject),
        message=message,
        warnings=wording.warnings(warned, besides) if warned or besides else (),
        refusal=message if is_rejected else "",
        glass=glass,
        failure=None if failure is None else failure.reason,
    )


def unanswered(decision: Decision) -> Decision:
    """The same of a request whose answer nobody waited for: neither admitted nor refused."""
    message = f"the API server went away before it was answered\n{decision.message}"
    return replace(decision, outcome=RequestOutcome.UNANSWERED, severity=Severity.MEDIUM, message=message)


def of_unreadable(count: int, problem: str) -> Decision:
    """What is told of so many bodies that were no review; `problem` is the first one's."""
    first = wording.noted(problem)
    message = f"{count} request{'s' * (count > 1)} could not be read; the first: {first}"
    return Decision(RequestOutcome.UNANSWERED, Mode.DETECT, False, Severity.MEDIUM, message, (), "")


def without_grant(decision: Decision) -> Decision:
    """The same of a request that has broken the glass, where that could not be stored: its Pods are not let in."""
    return replace(decision, warnings=(*decision.warnings, wording.NO_GRANT))


def of_unread(count: int, problem: str) -> Decision:
    """What is told of so many requests that were let in unread, where nothing blocks; `problem` is the first one's."""
    message = f"{count} request{'s' * (count > 1)} let in unread; the first: {wording.noted(problem)}"
    return Decision(RequestOutcome.ADMITTED, Mode.DETECT, True, Severity.MEDIUM, message, (), "")


def last_word(problem: str, *, blocks: bool) -> Decision:
    """The decision when a stage of the gate failed: of constants alone, so that it can't fail."""
    said = f"the images could not be judged: {problem}"
    if blocks:
        told = Decision(RequestOutcome.REJECTED, Mode.ENFORCE, True, Severity.HIGH, said, (), said)
        return replace(told, failure="internal_error")
    admitted, warned = f"admitted although {said}", f"gatecrier (detect): {said}"[: wording.WARNING_LIMIT]
    told = Decision(RequestOutcome.ADMITTED, Mode.DETECT, True, Severity.MEDIUM, admitted, (warned,), "")
    return replace(told, failure="internal_error")


def _severity(findings: Sequence[Finding], *, rejected: bool, would: bool) -> Severity:
    if rejected:
        is_attack = any(finding.verdict is Verdict.INVALID for finding in findings)
        return Severity.CRITICAL if is_attack else Severity.HIGH
    if would or any(finding.verdict is Verdict.UNVERIFIABLE for finding in findings):
        return Severity.MEDIUM
    return Severity.INFO


def audit_annotations(decision: Decision, findings: Sequence[Finding]) -> dict[str, str]:
    """What the API server's audit log keeps, beside the event's id; keys are at most 63 of A-Z a-z 0-9 . _ - ."""
    shown = sorted(findings, key=lambda finding: not finding.is_failing)[: wording.SHOWN_IMAGES]
    verdicts = " ".join(f"{finding.verdict.value}({finding.reason})" for finding in shown)
    rules = " ".join(dict.fromkeys(finding.rule.pattern for finding in findings if finding.rule is not None))
    glass = {} if decision.glass is None else {"break-glass": wording.broken(decision.glass)[:ANNOTATION_LIMIT]}
    return glass | {
        "outcome": decision.outcome.value,
        "mode": decision.mode.value,
        "would-reject": "true" if decision.would_reject else "false",
        "verdicts": verdicts[:ANNOTATION_LIMIT],
        "rules": rules[:ANNOTATION_LIMIT],
    }
