"""What `gatecrier readiness` says of one namespace: the exit code, as text, and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from router.cli.answering import Object, moment, moment_or_none
from router.cli.exit_codes import NO, UNKNOWN, YES
from router.cli.tables import table
from router.decision import Grant
from router.readiness.judging import ReadinessState
from router.readiness.reading import ExemptedImage, Overview
from router.readiness.settings import ReadinessSettings
from router.readiness.sighting import SightedImage
from router.readiness.wording import missing_words, next_steps
from router.text import how_often, more, one_line

LISTED = 500
"""Images of one namespace that are listed."""
_CODES = {ReadinessState.READY: YES, ReadinessState.NOT_READY: NO, ReadinessState.UNKNOWN: UNKNOWN}


@dataclass(frozen=True, slots=True)
class Report:
    """One namespace, with what keeps it from being ready."""

    overview: Overview
    settings: ReadinessSettings
    open: Sequence[SightedImage]
    """What would be refused or could not be looked at, those that were seen last first."""
    exempted: Sequence[ExemptedImage] = ()
    """What exemptions have let in."""
    ends: Mapping[str, float] = field(default_factory=dict)
    """When exemptions end, in seconds since 1970, by their pattern; what ended or was taken away is not among them."""
    grants: Sequence[Grant] = ()
    """What break-glass lets in now."""

    def end_of(self, exempted: ExemptedImage) -> str | None:
        """When what has let that in ends; None where it is not there any more."""
        return moment_or_none(self.ends.get(exempted.pattern))

    @property
    def failing(self) -> Sequence[SightedImage]:
        """What would be refused."""
        return [one for one in self.open if one.seen.sighting.standing == "failing"]

    @property
    def unreachable(self) -> Sequence[SightedImage]:
        """What could not be looked at."""
        return [one for one in self.open if one.seen.sighting.standing == "unreachable"]


def code_of(report: Report) -> int:
    """The exit code that it means."""
    return _CODES[report.overview.judged.state]


def text_of(reports: Sequence[Report], *, is_one: bool) -> str:
    """All of them, for people; one is told with everything."""
    if is_one:
        return "\n".join(line for report in reports for line in lines_of(report))
    heads = ("NAMESPACE", "STATE", "MODE", "REQUESTS", "WOULD BREAK", "WATCHED SINCE", "NOT KNOWN")
    return table(heads, map(_cells, reports), nothing="no namespace was seen yet")


def _cells(report: Report) -> Sequence[str]:
    overview = report.overview
    since = overview.judged.watched_since
    return (
        overview.namespace or "(cluster)",
        overview.judged.state.value,
        overview.mode,
        str(overview.known.requests),
        str(overview.known.failing),
        "-" if since is None else moment(since),
        " ".join(overview.judged.missing) or "-",
    )


def lines_of(report: Report) -> Iterator[str]:
    """A namespace, for people."""
    overview = report.overview
    yield one_line(f"namespace {overview.namespace}: {overview.judged.state.value.replace('_', ' ')}")
    since = overview.judged.watched_since
    watched = "it was never watched" if since is None else f"watched since {moment(since)}"
    mode = f", mode {overview.mode}" if overview.mode else ""
    requests = overview.known.requests
    yield f"  {watched}, {requests} request{'' if requests == 1 else 's'} within the window{mode}"
    for heading, images in (("would be refused", report.failing), ("could not be looked at", report.unreachable)):
        if images:
            yield f"  {heading}:"
            yield from (f"    {line}" for image in images for line in _image_lines(image, overview.namespace))
    yield from more(overview.known.failing, max(len(report.failing), LISTED), " images that would be refused")
    if report.exempted:
        yield "  let in by exemptions:"
        yield from (f"    {exemption_of(one, report)}" for one in report.exempted)
    if report.grants:
        yield "  let in by break-glass, and refused again at its end where it still fails:"
        yield from (f"    {grant_of(one)}" for one in report.grants)
    if overview.judged.missing:
        yield "  not known:"
    for one in overview.judged.missing:
        meaning, step = missing_words(one, report.settings, overview.namespace)
        yield f"    {one.value}: {one_line(meaning)}"
        yield f"      {one_line(step)}"


def _image_lines(image: SightedImage, namespace: str) -> Iterator[str]:
    yield one_line(f"{owner_of(image)}: {what_of(image)}")
    yield f"  seen {how_often(image.times)}, from {moment(image.first_at)} to {moment(image.last_at)}"
    for step in next_steps(image, namespace):
        yield one_line(f"  {step}")


def grant_of(one: Grant) -> str:
    """What break-glass lets in, by whom and until when."""
    images = ", ".join(image.reference for image in one.images)
    return one_line(f"{images}: by {one.by} until {moment(one.until)}: {one.justification}")


def exemption_of(one: ExemptedImage, report: Report) -> str:
    """What an exemption has let in, and until when."""
    end = report.end_of(one)
    until = "which is not in the configuration any more" if end is None else f"until {end}"
    return one_line(f"{one.owner}: {one.image}: {one.found}, by {one.pattern} {until}")


def owner_of(image: SightedImage) -> str:
    """Whose it is."""
    return f"{image.seen.owner['kind']} {image.seen.owner['name']}"


def what_of(image: SightedImage) -> str:
    """What was found."""
    sighting = image.seen.sighting
    if not sighting.image:
        return f"{sighting.reason}: {image.seen.detail}"
    wanted = f', rule "{sighting.rule}" wants {image.seen.wanted}' if image.seen.wanted else ""
    return f"{sighting.image} (container {sighting.container}): {sighting.verdict} ({sighting.reason}){wanted}"


def as_object(report: Report) -> Object:
    """A namespace, for programs."""
    overview, judged = report.overview, report.overview.judged
    words = [(one, missing_words(one, report.settings, overview.namespace)) for one in judged.missing]
    return {
        "namespace": overview.namespace,
        "state": judged.state.value,
        "mode": overview.mode or None,
        "window_seconds": report.settings.window,
        "watched_since": moment_or_none(judged.watched_since),
        "window_over_at": moment_or_none(judged.ready_at),
        "requests": overview.known.requests,
        "would_break_count": overview.known.failing,
        "would_break": [_image_object(one, overview.namespace) for one in report.failing],
        "could_not_be_looked_at": [_image_object(one, overview.namespace) for one in report.unreachable],
        "exempted": [
            {
                "exemption": one.pattern,
                "until": report.end_of(one),
                "owner": one.owner,
                "image": one.image,
                "found": one.found,
                "last_seen": moment(one.last_at),
            }
            for one in report.exempted
        ],
        "granted": [
            {
                "id": one.id,
                "until": moment(one.until),
                "by": one.by,
                "justification": one.justification,
                "images": [image.reference for image in one.images],
            }
            for one in report.grants
        ],
        "not_known": [{"code": one.value, "meaning": meaning, "what_to_do": step} for one, (meaning, step) in words],
    }


def _image_object(image: SightedImage, namespace: str) -> Object:
    sighting = image.seen.sighting
    return {
        "owner": dict(image.seen.owner),
        "container": sighting.container,
        "container_kind": sighting.container_kind,
        "image": sighting.image,
        "reference": sighting.reference,
        "digest": sighting.digest,
        "rule": sighting.rule,
        "verdict": sighting.verdict,
        "reason": sighting.reason,
        "detail": image.seen.detail,
        "wanted": image.seen.wanted,
        "first_seen": moment(image.first_at),
        "last_seen": moment(image.last_at),
        "times": image.times,
        "rejected": image.rejected,
        "next_steps": list(next_steps(image, namespace)),
    }
