"""What `gatecrier check` says of one object: the exit code that it means, as text, and as an object for programs.

An object is refused where enforcement would reject it, whatever is enforced (or, if that is asked, where it would
really be rejected). It could not be told where every image that it is refused for could not be checked. What passes
since its rule tolerates that (`on_unverifiable: admit`) passes here, too. Nor could it be told of a workload
without any image where something stands in it that the API server would refuse (`router.cli.check.shape`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.admission.draft import Draft
from router.admission.kinds import workload_kind
from router.admission.request_context import RequestContext
from router.assembly.inquiry import Inquiry
from router.cli.asking.showing import colour, show_remedy, show_verdict
from router.cli.check.manifests import ReadManifest, UnreadableManifest
from router.cli.check.shape import misshapen
from router.cli.exit_codes import NO, UNKNOWN, YES
from router.cli.pages import Page
from router.decision import Finding
from router.errors import ReviewError
from router.events import image_data
from router.verdict import RequestOutcome, Skip, Verdict

NOTHING = UNKNOWN
"""The exit code where there was no object at all: nothing was found to be fine."""


@dataclass(frozen=True, slots=True)
class CheckedObject:
    """What is said of one object."""

    file: str
    line: int | None
    code: int
    problem: str = ""
    """Why nothing can be said of it; empty where something can."""
    subject: Mapping[str, str] | None = None
    """api_version, kind, namespace, name and operation."""
    skip: str | None = None
    """Why there is nothing to judge."""
    notices: Sequence[str] = ()
    draft: Draft | None = None
    """What is decided; None where there is nothing to judge."""


async def answered(inquiry: Inquiry, one: ReadManifest, *, in_force: bool) -> CheckedObject:
    """What is said of an object; `in_force`: by what is enforced, and not by what would be."""
    if isinstance(one, UnreadableManifest):
        return CheckedObject(one.file, one.line, UNKNOWN, one.problem)
    try:
        asked, draft = await inquiry.review(one.body)
    except ReviewError as error:
        return CheckedObject(one.file, one.line, UNKNOWN, str(error))
    kind = workload_kind(asked.request.group, asked.request.kind)
    if asked.workload.skip is Skip.NO_IMAGES and kind is not None and (problem := misshapen(one.body, kind)):
        return CheckedObject(one.file, one.line, UNKNOWN, problem, _subject(asked))
    skip = None if asked.workload.skip is None else asked.workload.skip.value
    code = YES if draft is None else _code(draft, in_force=in_force)
    return CheckedObject(one.file, one.line, code, "", _subject(asked), skip, asked.workload.notices, draft)


def _subject(asked: RequestContext) -> Mapping[str, str]:
    request = asked.request
    return {
        "api_version": request.api_version,
        "kind": request.kind,
        "namespace": request.namespace,
        "name": request.name or asked.workload.name or asked.workload.generate_name,
        "operation": request.operation,
    }


def _code(draft: Draft, *, in_force: bool) -> int:
    is_rejected = draft.decision.outcome is RequestOutcome.REJECTED
    if not (is_rejected if in_force else draft.decision.would_reject):
        return YES
    failing = [finding for finding in draft.findings if finding.is_failing]
    if in_force:
        failing = [finding for finding in failing if finding.is_enforced]
    # Without any, it is the object itself that can't be read, and is refused for that.
    is_unknown = bool(failing) and all(finding.verdict is Verdict.UNVERIFIABLE for finding in failing)
    return UNKNOWN if is_unknown else NO


def as_object(answer: CheckedObject) -> Mapping[str, object]:
    """Everything, for programs; images have the members that they have in events."""
    draft = answer.draft
    decision = None
    if draft is not None:
        decision = {
            "outcome": draft.decision.outcome.value,
            "mode": draft.decision.mode.value,
            "would_reject": draft.decision.would_reject,
            "severity": draft.decision.severity.value,
            "message": draft.decision.message,
            "warnings": list(draft.decision.warnings),
        }
    return {
        "file": answer.file,
        "line": answer.line,
        "exit_code": answer.code,
        "problem": answer.problem or None,
        "object": answer.subject,
        "skip": answer.skip,
        "notices": list(answer.notices),
        "decision": decision,
        "images": [] if draft is None else [image_data(finding) for finding in draft.findings],
    }


def show(page: Page, answer: CheckedObject) -> None:
    """Everything, for people; of what passes only that it does."""
    place = answer.file if answer.line is None else f"{answer.file}:{answer.line}"
    page.line(f"{place}: {_decided(answer)}", colour=colour(answer.code))
    for notice in answer.notices:
        page.line(notice, 2)
    if answer.draft is None:
        return
    if not answer.draft.findings and answer.draft.decision.would_reject:
        page.line(answer.draft.decision.message, 2)
    for finding in answer.draft.findings:
        _show_image(page, finding)


def _decided(answer: CheckedObject) -> str:
    if answer.subject is None or answer.problem:
        return answer.problem
    namespace, name = answer.subject["namespace"], answer.subject["name"]
    subject = f"{answer.subject['kind']} {namespace}/{name}" if namespace else f"{answer.subject['kind']} {name}"
    if answer.draft is None:
        return f"{subject}: nothing to judge ({answer.skip})"
    decision = answer.draft.decision
    if answer.code == UNKNOWN:
        return f"{subject}: could not be told, since images could not be checked"
    if decision.outcome is RequestOutcome.REJECTED:
        return f"{subject}: rejected"
    if decision.would_reject:
        return f"{subject}: admitted ({decision.mode}), would be rejected"
    return f"{subject}: admitted"


def _show_image(page: Page, finding: Finding) -> None:
    where = f"{finding.place.container_kind.replace('_', ' ')} {finding.place.container}"
    if not finding.is_failing:
        tolerated = ", tolerated" if finding.is_tolerated else ""
        page.line(f"{where}: {finding.place.image}: {finding.verdict} ({finding.reason}{tolerated})", 2)
        if finding.exempted is not None:
            page.line(finding.judgement.detail, 4)
        return
    page.line(f"{where}: {finding.place.image}", 2)
    show_verdict(page, finding, 4)
    show_remedy(page, finding, 4)


def sum_up(page: Page, answers: Sequence[CheckedObject]) -> None:
    """How many of each."""
    if not answers:
        return
    counts = [(sum(answer.code == code for answer in answers), word) for code, word in _WORDS]
    page.raw()
    page.line(", ".join(f"{count} {word}" for count, word in counts if count))


_WORDS = ((NO, "refused"), (UNKNOWN, "could not be told"), (YES, "fine"))
