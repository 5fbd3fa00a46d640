"""What people read about a decision. Pure.

Rules:
(1) Texts name the image as written, the container, what was found, what the rule wants and the next step, a line per
    failing image. Where the whole would be too long, lines lose their explanation before an image loses its line.
(2) What others wrote stands on one line, and nothing in it is hidden (`router.text`).
(3) Warnings are for the person at the terminal: single lines, at most 256 characters each and 4,096 together
    (Kubernetes, "Dynamic Admission Control", "Response": larger ones are cut), starting with `gatecrier (detect):`
    where enforcement would have refused.
(4) The same line may stand in an admission and in a refusal: none says which of them happened.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.decision.finding import Failure, Finding
from router.decision.glass import Glass
from router.policy.ends import end_text
from router.reasons import TARGET, Reason
from router.text import cut, cut_middle, more, one_line
from router.verdict import Verdict

SHOWN_IMAGES = 20
"""Failing images that a text describes; more are counted."""
MESSAGE_LIMIT, WARNING_LIMIT, WARNINGS_LIMIT = 8192, 256, 4096
"""Characters."""
NAME_LIMIT, DETAIL_LIMIT, CONTAINER_LIMIT = 512, 512, 63
"""Characters in a line of a message: more than any real image needs, less than what the API server lets pass."""
SHORT_NAME_LIMIT = 120
"""Characters of an image name in a warning, and where a message has many lines."""

_DETECT, _PLAIN = "gatecrier (detect): ", "gatecrier: "


def message(
    findings: Sequence[Finding], failing: Sequence[Finding], failure: Failure | None, besides: Sequence[str]
) -> str:
    """What happened and why: a line per failing image, or how many passed; then what is to be told besides."""
    lines = [] if failure is None else [_of_failure(failure)]
    if failing:
        lines += _of_images(failing, MESSAGE_LIMIT - sum(len(line) + 1 for line in lines))
    elif failure is None:
        lines.append(_passed(findings))
    if not besides:
        return "\n".join(lines)
    return cut("\n".join([*lines, *besides]), MESSAGE_LIMIT)


def _of_images(failing: Sequence[Finding], room: int) -> list[str]:
    """A line per image; those for whose whole line there is no room get a short one."""
    shown = failing[:SHOWN_IMAGES]
    lines = [f"{_subject(finding, SHORT_NAME_LIMIT)}: {finding.verdict.value} ({finding.reason})" for finding in shown]
    room -= sum(map(len, lines)) + len(lines) + len("and 1000 more images")
    for index, finding in enumerate(shown):
        whole = _line(finding, NAME_LIMIT)
        if (longer := len(whole) - len(lines[index])) <= room:
            room -= longer
            lines[index] = whole
    return _counted(lines, failing)


def _counted(lines: list[str], failing: Sequence[Finding]) -> list[str]:
    return [*lines, *more(len(failing), SHOWN_IMAGES, " images")]


def _passed(findings: Sequence[Finding]) -> str:
    if not findings:
        return "no images to judge"
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.verdict.value] = counts.get(finding.verdict.value, 0) + 1
    return ", ".join(f"{count} image{'s' * (count > 1)} {verdict}" for verdict, count in counts.items())


def tolerated(findings: Sequence[Finding]) -> list[str]:
    """A line per image that could not be checked and is let pass by its rule."""
    return [
        f"{_subject(finding, SHORT_NAME_LIMIT)}: unverifiable ({finding.reason}), tolerated by `on_unverifiable`"
        for finding in findings
        if finding.is_tolerated
    ]


def exempted(findings: Sequence[Finding]) -> list[str]:
    """A line per image that fails and is let in by an exemption; further ones are counted."""
    told = [(finding, one) for finding in findings if (one := finding.exempted) is not None]
    lines = [
        f"{_subject(finding, SHORT_NAME_LIMIT)}: {one.verdict.value} ({one.reason}), let in until "
        f"{end_text(one.by.until)} by an exemption: {one_line(one.by.reason)}"
        for finding, one in told[:SHOWN_IMAGES]
    ]
    return [*lines, *more(len(told), SHOWN_IMAGES, " images that are exempt")]


def broken(glass: Glass) -> str:
    """That the glass was broken: by whom and why, and for how long these images are let in."""
    grant = glass.grant
    until = end_text(grant.until)
    what = f"these images are let in there until {until}" if glass.is_new else f"it was broken before, until {until}"
    by, why = cut(grant.by, SHORT_NAME_LIMIT), cut(grant.justification, DETAIL_LIMIT)
    return f"let in by break-glass of {by}; {what}: {why}"


NO_GRANT = (
    f"{_PLAIN}this could not be stored: what controllers make of the object will not be let in by break-glass; "
    "change the annotation to try again"
)


def notices(texts: Sequence[str]) -> tuple[str, ...]:
    """What the person at the terminal is told where nothing was judged."""
    return warnings((), [noted(text) for text in texts]) if texts else ()


def reproaches(failing: Sequence[Finding], failure: Failure | None) -> list[str]:
    """What to tell the person whose request was admitted although it would be refused under enforcement."""
    lines = [] if failure is None else [_of_failure(failure)]
    for finding in failing[:SHOWN_IMAGES]:
        found, whole = _found(finding, SHORT_NAME_LIMIT), _line(finding, SHORT_NAME_LIMIT)
        lines.append(whole if len(_DETECT) + len(whole) <= WARNING_LIMIT else found)  # half a command is of no use
    return _counted(lines, failing)


def warnings(blamed: Sequence[str], besides: Sequence[str]) -> tuple[str, ...]:
    """What the person at the terminal is told: of what would be refused under enforcement, and what else."""
    told = [f"{_DETECT}{line}" for line in blamed] + [f"{_PLAIN}{line}" for line in besides]
    lines = list(dict.fromkeys(cut(line, WARNING_LIMIT) for line in told))
    if sum(map(len, lines)) <= WARNINGS_LIMIT:
        return tuple(lines)
    kept, room = [], WARNINGS_LIMIT - WARNING_LIMIT  # the last one is what says that there are more
    for line in lines:  # pragma: no branch - all of them do not fit
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    prefix = _DETECT if blamed else _PLAIN
    return (*kept, f"{prefix}and {len(lines) - len(kept)} more warnings; the event tells of every image")


def _of_failure(failure: Failure) -> str:
    detail = _detail(failure.detail)
    if failure.reason == "unreadable":
        return f"The images of this object can't be read: {detail}. Where it is enforced, such an object is refused."
    return (
        f"Gatecrier itself failed ({failure.reason}): {detail}. Try again; if it stays so, tell whoever runs Gatecrier."
    )


def _line(finding: Finding, name_limit: int) -> str:
    return f"{_found(finding, name_limit)} {next_step(finding)}"


def _found(finding: Finding, name_limit: int) -> str:
    found = f"{_subject(finding, name_limit)}: {finding.verdict.value}{_cause(finding)}."
    if finding.rule is None:
        return found
    wants = f" wants {finding.wanted}" if finding.wanted else " refuses it"
    return f'{found} Rule "{cut(finding.rule.pattern, NAME_LIMIT)}"{cut(wants, DETAIL_LIMIT)}.'


def _cause(finding: Finding) -> str:
    # A plain "unsigned" says it all, unless the image is given by digest: then the detail has a hint.
    if finding.verdict is Verdict.UNSIGNED and "@" not in finding.place.image:
        return ""
    detail = _detail(finding.judgement.detail).rstrip(".")
    cause = f"{finding.reason}: {detail}" if detail else finding.reason
    if finding.verdict is Verdict.UNVERIFIABLE and finding.may_be_unchecked and not finding.is_tolerated:
        cause += "; `on_unverifiable: admit` tolerates only what the registry did to a question that was sent"
    return f" ({cause})"


def _detail(text: str) -> str:
    return cut(one_line(cut(text, DETAIL_LIMIT)), DETAIL_LIMIT)


def _subject(finding: Finding, name_limit: int) -> str:
    image = _short_line(finding.place.image, name_limit) or "(no image)"
    kind = "volume" if finding.place.container_kind.endswith("volume") else "container"
    return f"{image} ({kind} {_short_line(finding.place.container, CONTAINER_LIMIT)})"


def next_step(finding: Finding) -> str:
    """What whoever deploys the image can do about it."""
    return remedy(finding.reason, finding.reference or "", finding.digest)


def remedy(reason: Reason, reference: str, digest: str | None) -> str:
    """What whoever deploys this image can do about it."""
    return reason.remedy.replace(TARGET, _target(reference, digest))


def _target(reference: str, digest: str | None) -> str:
    """What to sign: by digest where it is known, so that nobody signs what the tag means tomorrow."""
    if digest is None:
        return reference
    path, slash, last = reference.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}@{digest}"


def _short_line(text: str, limit: int) -> str:
    """On one line and within the limit; what will not be shown is not looked at, since escaping is slow."""
    return cut_middle(one_line(cut_middle(text, limit)), limit)


def noted(notice: str) -> str:
    """What is to be told besides, on one line."""
    return one_line(cut(notice, MESSAGE_LIMIT))
