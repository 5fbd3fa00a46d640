"""`gatecrier readiness --what-if`: what was seen, judged again by another configuration.

Rules:
(1) What is judged is what each owner was seen with last, in each of its containers, within the window or since the
    last full scan: by the digest that was seen, under the rule of the text as it is written. The engine is the gate's
    (`router.assembly.inquiry`).
(2) An image that several owners run is asked about once.
(3) Everything else that readiness rests on stays what it was: watching, scans, requests.
(4) What was forgotten of a namespace can't be judged again, whatever it was seen as: `Missing.FORGOTTEN` says so.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from router.assembly.inquiry import Inquiry
from router.cli.asking.inquiring import in_order
from router.cli.pages import Progress
from router.cli.readiness.report import Report
from router.decision import Finding
from router.events import image_data
from router.readiness import ledger, reading
from router.readiness.judging import judged
from router.readiness.reading import Overview
from router.readiness.settings import ReadinessSettings
from router.readiness.sighting import TEXT_LIMIT, SeenState, SightedImage, sighting_of
from router.settings.judging import JudgedBy
from router.text import cut

SECONDS = 30.0
"""For each image."""
_Question: TypeAlias = tuple[str, str | None]
"""An image as it is written, and the digest that was seen."""
SeenOwners: TypeAlias = Sequence[tuple[Overview, Sequence[SightedImage]]]
"""Each namespace, and what its owners were seen with last."""


def last_seen(
    connection: sqlite3.Connection, settings: ReadinessSettings, namespace: str | None, now: float
) -> SeenOwners:
    """What is judged again (1)."""
    found = list[tuple[Overview, Sequence[SightedImage]]]()
    for one in reading.overviews(connection, settings, now, namespace):
        seen = reading.images(connection, one.namespace, 0.0, ledger.IMAGES_KEPT, is_open=False)
        is_whole = len(seen) < ledger.left()
        known = one.known if is_whole else dataclasses.replace(one.known, overflowed_at=now)
        last = _last([image for image in seen if image.last_at >= one.counts_from])
        found.append((dataclasses.replace(one, known=known), last))
    return found


def _last(images: Sequence[SightedImage]) -> Sequence[SightedImage]:
    """The first of each place of each owner; those that were seen last come first."""
    found: dict[tuple[str, ...], SightedImage] = {}
    for one in images:
        found.setdefault((*one.seen.owner.values(), *one.seen.sighting.place), one)
    return list(found.values())


async def supposed(seen: SeenOwners, settings: ReadinessSettings, by: JudgedBy) -> Sequence[Report]:
    """What would be said of each namespace if it had been judged by that configuration."""
    questions = list(dict.fromkeys(_question(image) for _, images in seen for image in images))
    async with Inquiry(by, SECONDS) as inquiry:

        async def ask(question: _Question) -> Finding:
            return await inquiry.digest(*question)

        answers = [one async for one in in_order(questions, ask, Progress(len(questions), "images"))]
        by_image = dict(zip(questions, answers, strict=True))

        def found(image: SightedImage, namespace: str) -> Finding:
            return inquiry.exempt(by_image[_question(image)], namespace)

        return [_report(overview, images, settings, found) for overview, images in seen]


def _question(image: SightedImage) -> _Question:
    return image.seen.sighting.image, image.seen.sighting.digest


def _report(
    overview: Overview,
    images: Sequence[SightedImage],
    settings: ReadinessSettings,
    found: Callable[[SightedImage, str], Finding],
) -> Report:
    seen = [image for image in images if image.seen.sighting.image]
    again = [_again(image, found(image, overview.namespace)) for image in seen]
    open_ = [image for image in again if image.is_open]
    failing = sum(image.seen.sighting.standing == "failing" for image in open_)
    known = dataclasses.replace(overview.known, failing=failing, unreachable=len(open_) - failing)
    supposed = dataclasses.replace(overview, known=known, judged=judged(known, settings, time.time()))
    return Report(supposed, settings, open_)


def _again(image: SightedImage, finding: Finding) -> SightedImage:
    """The same place of the same owner, as it would have been seen."""
    before, data = image.seen.sighting, image_data(finding)
    data["container_kind"], data["container"] = before.container_kind, before.container
    sighting = sighting_of(data, would_reject=finding.is_failing)
    seen = SeenState(image.seen.owner, sighting, cut(data["detail"], TEXT_LIMIT), cut(finding.wanted, TEXT_LIMIT))
    return dataclasses.replace(image, seen=seen, is_open=sighting.is_open)
