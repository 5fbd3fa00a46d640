"""A report of readiness in Markdown, to be read by people beside the code: what others wrote stands in it as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from router.cli.answering import moment
from router.cli.readiness.report import LISTED, Report, exemption_of, grant_of, owner_of, what_of
from router.readiness.sighting import SightedImage
from router.readiness.wording import missing_words, next_steps
from router.text import how_often, more, one_line

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&@!]|:(?=//)|(?<=www)\.)")
"""What can mean something within a line, links that are made of names and addresses among it (GitHub Flavored Markdown,
6.9)."""


def markdown(reports: Sequence[Report]) -> str:
    """The report."""
    return "\n".join(_lines(reports))


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    yield "# Readiness"
    yield ""
    if not reports:
        yield "No namespace was seen yet."
        return
    yield "| namespace | state | mode | requests | would break | not known |"
    yield "|---|---|---|---|---|---|"
    for report in reports:
        one = report.overview
        name, missing = (
            as_text(one.namespace or "(cluster)"),
            ", ".join(f"`{code.value}`" for code in one.judged.missing),
        )
        state = one.judged.state.value.replace("_", " ")
        yield f"| {name} | {state} | {one.mode} | {one.known.requests} | {one.known.failing} | {missing} |"
    for report in reports:
        yield from _section(report)


def _section(report: Report) -> Iterator[str]:
    one = report.overview
    yield ""
    yield f"## {as_text(one.namespace or '(cluster)')}: {one.judged.state.value.replace('_', ' ')}"
    for heading, images in (("Would be refused", report.failing), ("Could not be looked at", report.unreachable)):
        if images:
            yield ""
            yield f"### {heading}"
            yield ""
            for image in images:
                yield from _image(image, one.namespace)
    yield from more(one.known.failing, max(len(report.failing), LISTED), " images that would be refused")
    if report.exempted:
        yield ""
        yield "### Let in by exemptions"
        yield ""
        yield from (f"- {as_text(exemption_of(exempted, report))}" for exempted in report.exempted)
    if report.grants:
        yield ""
        yield "### Let in by break-glass"
        yield ""
        yield from (f"- {as_text(grant_of(grant))}" for grant in report.grants)
    if one.judged.missing:
        yield ""
        yield "### Not known"
        yield ""
    for code in one.judged.missing:
        meaning, step = missing_words(code, report.settings, one.namespace)
        yield f"- `{code.value}`: {as_text(meaning)}. {as_text(step)}"


def _image(image: SightedImage, namespace: str) -> Iterator[str]:
    found = f"{as_text(what_of(image))}; seen {how_often(image.times)}, last {moment(image.last_at)}"
    yield f"- **{as_text(owner_of(image))}**: {found}"
    for step in next_steps(image, namespace):
        yield f"    - {as_text(step)}"


def as_text(text: str) -> str:
    """As text and nothing else, on one line."""
    return _MARKUP.sub(r"\\\1", one_line(text))
