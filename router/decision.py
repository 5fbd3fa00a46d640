"""From findings and mode to an answer with its reasons. Pure.

Rules:
(1) A finding fails when its verdict is none that passes, and it is not an `unverifiable` that the rule tolerates
    (`on_unverifiable: admit`).
(2) `would_reject`: a finding fails, or the gate itself did; whatever the mode.
(3) A request is rejected only where its namespace enforces, it is not in a namespace that is never blocked, and a
    failing finding's rule enforces, too (or the gate itself failed).
(4) Severity: critical for a rejected `invalid` (somebody presents a signature of something else), high for any other
    rejection, medium for what would be rejected and for what could not be checked, else info.
(5) Texts name the image as written, the container, what was found, what the rule wants and the next step, a line per
    failing image. What others wrote is shown on one line: control, bidi and other invisible characters as escapes.
(6) Warnings are for the person at the terminal: single lines, at most 256 characters each and 4,096 together
    (Kubernetes, "Dynamic Admission Control", "Response": larger ones are cut), starting with `gatecrier (detect):`
    where enforcement would have refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from router.verdict import Mode, RequestOutcome, Severity, Verdict
from router.verification.scheme import Signer

SHOWN_IMAGES = 20
"""Failing images that a text describes; more are counted."""
MESSAGE_LIMIT, WARNING_LIMIT, WARNINGS_LIMIT = 8192, 256, 4096
"""Characters."""
NAME_LIMIT = 512
"""Characters of an image name in a text: more than any real reference, less than what the API server lets pass."""
ANNOTATION_LIMIT = 1024

_PLAIN = re.compile(r"[\x20-\x7e]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one place of an image."""

    container: str
    container_kind: str
    image: str
    """As written."""
    reference: str | None
    """Normalised; None where the text is no reference."""
    digest: str | None
    rule: str | None
    """Pattern of the rule; None where none matched."""
    rule_mode: Mode
    on_unverifiable: str
    """`reject` or `admit`."""
    verifier: str | None
    verdict: Verdict
    reason: str
    detail: str
    signers: tuple[Signer, ...]
    cached: bool
    milliseconds: float
    wanted: str
    """What the rule asks for, in words."""

    @property
    def is_failing(self) -> bool:
        """Whether enforcement would refuse for it."""
        is_tolerated = self.verdict is Verdict.UNVERIFIABLE and self.on_unverifiable == "admit"
        return not (self.verdict.is_pass or is_tolerated)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the request as a whole can't be admitted, whatever its images are."""

    reason: str
    """A code: undelivered, event_not_stored, internal_error."""
    detail: str


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


def decide(
    findings: Sequence[Finding],
    mode: Mode,
    *,
    never_block: bool = False,
    failure: Failure | None = None,
    notices: Sequence[str] = (),
) -> Decision:
    """The decision about a request in a namespace of this mode; `notices` are told besides, and never refuse."""
    failing = [finding for finding in findings if finding.is_failing]
    in_force = Mode.DETECT if never_block else mode
    blocks = failure is not None or any(finding.rule_mode is Mode.ENFORCE for finding in failing)
    is_rejected = in_force is Mode.ENFORCE and blocks
    would_reject = bool(failing) or failure is not None
    lines = [_line(finding) for finding in failing[:SHOWN_IMAGES]]
    if failure is not None:
        lines.insert(0, f"refused: {one_line(failure.detail)}")
    if len(failing) > SHOWN_IMAGES:
        lines.append(f"and {len(failing) - SHOWN_IMAGES} more images")
    message = "\n".join([*lines, *map(one_line, notices)])[:MESSAGE_LIMIT] or _passed(findings)
    return Decision(
        outcome=RequestOutcome.REJECTED if is_rejected else RequestOutcome.ADMITTED,
        mode=in_force,
        would_reject=would_reject,
        severity=_severity(findings, is_rejected=is_rejected, would_reject=would_reject),
        message=message,
        warnings=_warnings(findings, () if is_rejected else lines, notices),
        refusal=message if is_rejected else "",
    )


def _severity(findings: Sequence[Finding], *, is_rejected: bool, would_reject: bool) -> Severity:
    if is_rejected:
        is_attack = any(finding.verdict is Verdict.INVALID for finding in findings)
        return Severity.CRITICAL if is_attack else Severity.HIGH
    if would_reject or any(finding.verdict is Verdict.UNVERIFIABLE for finding in findings):
        return Severity.MEDIUM
    return Severity.INFO


def _passed(findings: Sequence[Finding]) -> str:
    if not findings:
        return "no images to judge"
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.verdict.value] = counts.get(finding.verdict.value, 0) + 1
    return ", ".join(f"{count} image{'s' * (count > 1)} {verdict}" for verdict, count in counts.items())


def _warnings(findings: Sequence[Finding], failing: Sequence[str], notices: Sequence[str]) -> tuple[str, ...]:
    tolerated = [
        f"gatecrier: {_subject(finding)}: unverifiable ({finding.reason}), admitted by on_unverifiable"
        for finding in findings
        if finding.verdict is Verdict.UNVERIFIABLE and not finding.is_failing
    ]
    told = [f"gatecrier (detect): {line}" for line in failing]
    told += tolerated + [f"gatecrier: {one_line(notice)}" for notice in notices]
    if not told:
        return ()
    kept, room = [], WARNINGS_LIMIT
    for text in dict.fromkeys(_cut(text, WARNING_LIMIT) for text in told):
        if len(text) > room:
            break
        kept.append(text)
        room -= len(text)
    return tuple(kept)


def _line(finding: Finding) -> str:
    found = f"{_subject(finding)}: {finding.verdict.value}."
    if finding.rule is None:
        return f"{found} {one_line(finding.detail)[:NAME_LIMIT]}. {_next_step(finding)}"
    detail = "" if finding.verdict is Verdict.UNSIGNED else f" ({finding.reason}: {one_line(finding.detail)})"
    wants = f' Rule "{finding.rule}" wants {finding.wanted}.' if finding.wanted else f' Rule "{finding.rule}".'
    return f"{found[:-1]}{_cut(detail, NAME_LIMIT)}.{wants} {_next_step(finding)}".rstrip()


def _subject(finding: Finding) -> str:
    return f"{_cut(one_line(finding.image), NAME_LIMIT) or '(no image)'} (container {one_line(finding.container)[:63]})"


def _next_step(finding: Finding) -> str:  # noqa: PLR0911 - one sentence per verdict
    name = (finding.reference or "").partition("@")[0].rpartition(":")
    target = f"{name[0] if '/' not in name[2] else ''.join(name)}@{finding.digest}"
    match finding.verdict:
        case Verdict.UNSIGNED | Verdict.UNTRUSTED if finding.digest:
            return f"Sign it with: cosign sign --key ... {target}"
        case Verdict.INVALID:
            return "Find out who pushed that signature, remove it, and sign the image again."
        case Verdict.UNVERIFIABLE:
            return "Check that the image exists and that the registry can be reached, then try again."
        case Verdict.DENIED if finding.reason == "no_rule":
            return "Add a rule to the policy, or use an image that a rule names."
        case Verdict.DENIED if finding.reason == "invalid_reference":
            return "Write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST."
        case Verdict.DENIED:
            return "Use an image that the policy lets pass."
        case _:
            return "Ask those whom the rule names to sign it."


def audit_annotations(decision: Decision, findings: Sequence[Finding], event_id: str) -> dict[str, str]:
    """What the API server's audit log keeps; keys are at most 63 of A-Z a-z 0-9 . _ - ."""
    verdicts = " ".join(f"{finding.verdict.value}({finding.reason})" for finding in findings[:SHOWN_IMAGES])
    rules = " ".join(dict.fromkeys(finding.rule for finding in findings if finding.rule))
    return {
        "outcome": decision.outcome.value,
        "mode": decision.mode.value,
        "would-reject": "true" if decision.would_reject else "false",
        "verdicts": verdicts[:ANNOTATION_LIMIT],
        "rules": rules[:ANNOTATION_LIMIT],
        "event-id": event_id,
    }


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


@lru_cache(maxsize=4096)
def one_line(text: str) -> str:
    """What others wrote, so that it can neither break a line nor hide or reorder characters."""
    text = text[:MESSAGE_LIMIT]
    if _PLAIN.fullmatch(text):
        return text
    return "".join(character if _is_visible(character) else _escape(character) for character in text)


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return character == " " or category[0] not in "CZ"


def _escape(character: str) -> str:
    code = ord(character)
    short = 0xFFFF
    return f"\\u{code:04x}" if code <= short else f"\\U{code:08x}"
