"""The event that a decision would be told by, if it were made: for asking where it would go (pure).

Whatever is not supposed follows from the rules and the modes that are in force, by the same code as in the gate: an
image without a supposed verdict has that of its rule (`deny` refuses, `allow` exempts, any other verifies, and without
a rule it is denied), and outcome, severity and message are those of the decision about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.decision import Finding, Place, decide
from router.errors import InvalidReferenceError, NotVerifiedError
from router.events.making import Origin, decision_event
from router.events.parts import DecisionParts
from router.events.schema import CloudEvent, OwnerData, RequestData, WorkloadData
from router.images import parse_reference
from router.policy import Enforcement, Policy
from router.policy.rules import Rule
from router.reasons import REASONS, Denial, Proof, Reason
from router.verdict import Verdict
from router.verification.judgement import Judgement

SUPPOSED_IMAGE = "supposed.example/app:1"
"""An image that nobody has named: no verdict of it rests on a rule, unless a rule is for every image."""


@dataclass(frozen=True, slots=True)
class Supposition:
    """What is supposed of a request."""

    namespace: str
    api_version: str
    kind: str
    name: str
    operation: str
    user: str
    groups: Sequence[str]
    owner: OwnerData | None
    image: str | None
    """As written; None where nobody cares."""
    verdicts: Sequence[Verdict]
    """One container for each; none where the rules say it."""
    reason: str | None
    """Of every verdict that can have it; None where it is the usual one."""


def supposed_event(
    supposed: Supposition, policy: Policy, enforcement: Enforcement, origin: Origin, *, at: float
) -> CloudEvent:
    """The event about the decision on this request; `at` is in seconds since 1970."""
    rule = _rule(supposed.image or SUPPOSED_IMAGE, policy)
    verdicts: Sequence[Verdict] = supposed.verdicts or (_verdict(rule),)
    findings = [_finding(supposed, rule, verdict, number) for number, verdict in enumerate(verdicts)]
    decision = decide(
        findings, enforcement.mode(supposed.namespace), never_block=enforcement.never_blocks(supposed.namespace)
    )
    request: RequestData = {
        "uid": "supposed",
        "operation": supposed.operation,
        "api_version": supposed.api_version,
        "kind": supposed.kind,
        "subresource": "",
        "namespace": supposed.namespace,
        "name": supposed.name,
        "generate_name": "",
        "user": {"name": supposed.user, "groups": list(supposed.groups)},
        "dry_run": False,
    }
    workload: WorkloadData = {
        "api_version": supposed.api_version,
        "kind": supposed.kind,
        "name": supposed.name,
        "owner": supposed.owner,
    }
    parts = DecisionParts.of(decision, findings)
    return decision_event(origin, request, workload, parts, at=at, gate_milliseconds=0.0)


def _rule(image: str, policy: Policy) -> Rule | None:
    try:
        return policy.match(parse_reference(image))
    except InvalidReferenceError:
        return None


def _verdict(rule: Rule | None) -> Verdict:
    if rule is None or rule.verifier == "deny":
        return Verdict.DENIED
    return Verdict.EXEMPT if rule.verifier == "allow" else Verdict.VERIFIED


def _finding(supposed: Supposition, rule: Rule | None, verdict: Verdict, number: int) -> Finding:
    image = supposed.image or SUPPOSED_IMAGE
    judgement = Judgement(
        verdict,
        _reason(supposed, rule, verdict),
        "",
        None,
        (),
        cached=False,
        is_registrys_doing=supposed.reason in {"unreachable", "rate_limited", "timeout"},
    )
    return Finding(Place(f"container-{number}", "container", image, ""), image, rule, judgement)


def _reason(supposed: Supposition, rule: Rule | None, verdict: Verdict) -> Reason:
    codes = REASONS.get(verdict, Proof)
    if (wanted := next((code for code in codes if code == supposed.reason), None)) is not None:
        return wanted
    if verdict is Verdict.DENIED:
        return Denial.NO_RULE if rule is None else Denial.STATIC_DENY
    usual = {one.verdict: one.default_reason for one in NotVerifiedError.__subclasses__()}
    return usual.get(verdict) or next(iter(codes))
