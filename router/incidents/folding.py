"""What one event does to one incident, and what time does to it. Pure.

Order, for an event that a route of the incidents lane took:
(1) It is counted once: an event that `corrects` another that was counted takes its place, and only its outcome counts.
(2) Its failing images become findings, one for each container of each owner, and images of the incident.
(3) Each destination is told, or not: `opened` first; then `changed` where there is news, at most every
    `group_interval`, the rest waiting for its end; then `repeated` where it was told `repeat_interval` ago.
Order, for any event of an owner that has findings, if it may end any:
(4) A finding is over when an event that is no older shows its container passing, or is of a kind of object in which it
    failed, is whole, and lacks it. The incident is over with its last finding.

Invariants: first and last seen are the least and the greatest time of an event, and one that lies ahead of the clock
keeps nothing open. What is told of is known: nothing is news twice. News are images that were not told of, a higher
severity, and the first request that was rejected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.events import ImageData
from router.incidents.facts import EventFacts
from router.incidents.incident import (
    FINDINGS_KEPT,
    IMAGES_KEPT,
    NEWS_KEPT,
    FailingImage,
    Incident,
    IncidentFinding,
    MessageState,
    Telling,
    past,
)
from router.routing import IncidentRoute
from router.verdict import Severity

_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}
OF_ITSELF = frozenset({"registry", "image"})
"""Kinds of incidents with one finding, which is of no container of any owner."""


@dataclass(frozen=True, slots=True)
class DueMessage:
    """That a destination is to be told."""

    destination: str
    state: MessageState


def worse(one: str, other: str) -> str:
    """The more urgent of two severities."""
    return one if _RANKS[one] <= _RANKS[other] else other


def count(incident: Incident, facts: EventFacts, now: float, replaces: str | None) -> None:
    """Count an event (1); `replaces` is the outcome of the counted event that it corrects."""
    outcomes = incident.outcomes
    outcomes[facts.outcome] += 1
    if replaces is None:
        incident.count += 1
    else:
        outcomes[replaces] -= 1
    incident.first_seen = min(incident.first_seen, facts.at)
    incident.last_seen = max(incident.last_seen, facts.at)
    incident.heard_at, incident.last_event = now, facts.sequence
    incident.severity = worse(incident.severity, facts.data["decision"]["severity"])


def find(incident: Incident, facts: EventFacts, failing: Sequence[ImageData], owner: str, *, is_repeated: bool) -> None:
    """Take the failing images of an event into it (2); one that `is_repeated` was counted before."""
    for image in failing:
        number = _image(incident, image, facts.at, is_repeated=is_repeated)
        if incident.kind in OF_ITSELF:
            _found(incident, IncidentFinding(owner, incident.kind, "", [], facts.at, number))
        else:
            _found(
                incident,
                IncidentFinding(owner, image["container_kind"], image["container"], [facts.kind], facts.at, number),
            )


def _image(incident: Incident, found: ImageData, at: float, *, is_repeated: bool) -> int:
    new = FailingImage(
        number=incident.last_image + 1,
        container=found["container"],
        container_kind=found["container_kind"],
        image=found["image"],
        digest=found["digest"],
        rule=found["rule"],
        verdict=found["verdict"],
        reason=found["reason"],
        detail=found["detail"],
        count=1,
        first_seen=at,
        last_seen=at,
    )
    for known in incident.images:
        if known.is_same(new, wherever=incident.kind == "image"):
            known.count += not is_repeated
            known.first_seen, known.last_seen = min(known.first_seen, at), max(known.last_seen, at)
            known.detail = new.detail
            return known.number
    if len(incident.images) >= IMAGES_KEPT:
        current = {finding.image for finding in incident.findings}
        dropped = next((one for one in incident.images if one.number not in current), incident.images[0])
        incident.images.remove(dropped)
        incident.more_images += 1
    incident.images.append(new)
    incident.last_image = new.number
    return new.number


def _found(incident: Incident, new: IncidentFinding) -> None:
    for known in incident.findings:
        if (known.owner, known.container_kind, known.container) == (new.owner, new.container_kind, new.container):
            known.kinds = sorted({*known.kinds, *new.kinds})
            if new.last_seen >= known.last_seen:
                known.last_seen, known.image = new.last_seen, new.image
            return
    if len(incident.findings) < FINDINGS_KEPT:
        incident.findings.append(new)
    else:
        incident.is_overfull = True


def ends(incident: Incident, facts: EventFacts, now: float) -> bool:
    """Take away the findings that this event shows to be over (4); whether the last one is; `now` is a time of day."""
    if not incident.findings or not facts.whose.may_end or facts.outcome == "unanswered":
        return False
    passing = {(image["container_kind"], image["container"]) for image in facts.passing}
    failing = {(image["container_kind"], image["container"]) for image in facts.failing}

    def is_over(one: IncidentFinding) -> bool:
        place = (one.container_kind, one.container)
        if one.owner != facts.whose.key or place in failing or facts.at < past(one.last_seen, now):
            return False
        return place in passing or (facts.is_whole and facts.kind in one.kinds)

    incident.findings = [one for one in incident.findings if not is_over(one)]
    return not incident.findings and not incident.is_overfull


def answered(incident: Incident, at: float, now: float) -> bool:
    """Take away that a registry did not answer before this time, when it did; whether that was the last finding."""
    incident.findings = [one for one in incident.findings if at < past(one.last_seen, now)]
    return not incident.findings


def tell(
    incident: Incident, route: IncidentRoute, facts: EventFacts, now: float, *, is_held: bool
) -> DueMessage | None:
    """What a destination is told after an event that its route took (3); nothing where that is held back."""
    telling = incident.tellings.setdefault(route.destination, Telling())
    if not is_held or telling.due is None:  # what is held takes nothing away from what waits
        telling.active, telling.mute = list(route.active), list(route.mute)
    telling.template, telling.repeat_interval = route.template, route.repeat_interval
    telling.group_interval = route.group_interval
    telling.severity = worse(telling.severity, route.severity or facts.data["decision"]["severity"])
    if is_held:
        telling.suppressed += 1
        return None
    state = next_state(incident, telling, now)
    return None if state is None else DueMessage(route.destination, state)


def put_off(telling: Telling, facts: EventFacts) -> None:
    """Note an event that no silence holds back, and that a destination is told of later."""
    telling.news = [*telling.news[: NEWS_KEPT - 1], facts.sequence]


def suppress(telling: Telling) -> None:
    """Count news that are held back from a destination now that they might be told: they are due no more."""
    telling.suppressed += 1
    telling.due = None


def next_state(incident: Incident, telling: Telling, now: float) -> MessageState | None:
    """What a destination is to be told now; puts news off until they may be told."""
    if not telling.told:
        return "opened"
    has_image = incident.last_image > telling.known and incident.kind != "registry"
    is_worse = worse(telling.severity, telling.told_severity) != telling.told_severity
    is_first_rejection = incident.outcomes["rejected"] > 0 and not telling.knows_rejection
    if has_image or is_worse or is_first_rejection:
        telling.due = telling.at + telling.group_interval
        return "changed" if now >= telling.due else None
    return "repeated" if now - telling.at >= telling.repeat_interval else None


def told(incident: Incident, message: DueMessage, now: float) -> int:
    """Note that a destination is told; returns how often it was."""
    telling = incident.tellings[message.destination]
    telling.told += 1
    telling.at, telling.due, telling.news = now, None, []
    telling.known, telling.told_severity = incident.last_image, telling.severity
    telling.knows_rejection = incident.outcomes["rejected"] > 0
    return telling.told


def closing(incident: Incident) -> Sequence[DueMessage]:
    """Who is told of its end: whoever was told of it at all."""
    state: MessageState = (
        "resolved" if incident.ended is not None and incident.ended.how in {"passing", "closed"} else "expired"
    )
    return [DueMessage(name, state) for name, telling in incident.tellings.items() if telling.told]


def due(incident: Incident, quiet_after: float, forget_after: float, resend_every: Mapping[str, float]) -> float | None:
    """When something is to be done about it without an event, in own time; None where it has ended."""
    if not incident.is_open:
        return None
    news = (one.due for one in incident.tellings.values() if one.due)
    again = (resend_due(one, resend_every.get(name)) for name, one in incident.tellings.items())
    return min((end_due(incident, quiet_after, forget_after), *news, *again))


def resend_due(telling: Telling, every: float | None) -> float:
    """When what a destination was told last is delivered once more, in own time; never for most of them."""
    if every is None or not telling.message:
        return math.inf
    return max(telling.at, telling.repeated_at) + every


def end_due(incident: Incident, quiet_after: float, forget_after: float) -> float:
    """When it is over if nothing is heard of it any more; for a grant, whatever is heard."""
    if incident.ends_at is not None:
        return incident.ends_at
    is_rejected = incident.outcomes["rejected"] == incident.count
    return incident.heard_at + (quiet_after if is_rejected else forget_after)
