"""One incident as it is kept: whose trouble, what was found, and what each destination was told of it. Pure.

It is kept as JSON (`incidents.body` of `router.outbox.schema`). Times are in seconds: `first_seen` and the like are of
the time of day at which events were decided, what belongs to telling is of the outbox's own time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from router.events import timestamp

FINDINGS_KEPT = 500
"""Findings of one incident that are kept at most."""
IMAGES_KEPT = 50
"""Different images of one incident that are kept at most; beyond them they are counted."""

NEWS_KEPT = 8
"""Events that brought what a destination is not told of yet, and are remembered, at most."""

IncidentKind: TypeAlias = Literal["workload", "group", "registry", "image", "namespace", "break_glass"]
"""Whose trouble it is: one owner's; of all that a route has grouped; a registry's; an image's; a namespace's of too
many owners; of what is let in by one grant."""
How: TypeAlias = Literal["passing", "closed", "quiet", "forgotten", "lapsed"]
"""How an incident ended."""
MessageState: TypeAlias = Literal["opened", "changed", "repeated", "resolved", "expired"]
"""What a message says of one."""

SKEW = 60.0
"""Seconds that the clocks of gates may differ: a time that is further ahead is of a clock that was wrong."""

OwnerName: TypeAlias = Mapping[str, str]
"""`api_version`, `kind` and `name`."""


class FailingImage(msgspec.Struct):
    """A failing image in one container, and what was found out about it."""

    number: int
    """In the order in which they were found: who was told of n knows all before."""
    container: str
    container_kind: str
    image: str
    digest: str | None
    rule: str | None
    verdict: str
    reason: str
    detail: str
    count: int
    first_seen: float
    last_seen: float

    def is_same(self, other: FailingImage, *, wherever: bool) -> bool:
        """Whether that is no news beside this; `wherever` it runs and however it is written, where that is said."""
        is_there = (self.container, self.container_kind, self.image) == (
            other.container,
            other.container_kind,
            other.image,
        )
        is_found = (self.digest, self.verdict, self.reason) == (other.digest, other.verdict, other.reason)
        return is_found and (is_there or wherever)


class IncidentFinding(msgspec.Struct):
    """A container of an owner that fails, until it is seen passing, or gone."""

    owner: str
    """Key of the owner."""
    container_kind: str
    container: str
    kinds: list[str]
    """In which kinds of objects it failed."""
    last_seen: float
    image: int
    """Number of the image that it failed with last."""


class Telling(msgspec.Struct):
    """How one destination stands to it."""

    told: int = 0
    """How often it was told."""
    at: float = 0.0
    """When it was told last, in own time."""
    known: int = 0
    """Number of the last image that it was told of."""
    severity: str = "info"
    """The highest that its routes have given to an event."""
    told_severity: str = "info"
    """The highest that it was told of."""
    knows_rejection: bool = False
    """Whether it was told of a request that was rejected."""
    suppressed: int = 0
    """Events that were held back from it."""
    awaits: bool = False
    """Whether there are news that it is not told of yet."""
    due: float | None = None
    """When it is told of what awaits it, in own time."""
    news: list[int] = msgspec.field(default_factory=list)
    """Numbers of events that it is not told of yet and no silence has held back: the first ones and the last."""
    message: int = 0
    """Number of the message that told it last."""
    repeated_at: float = 0.0
    """When that was delivered once more, in own time; 0 where it never was."""
    template: str = ""
    active: list[str] = msgspec.field(default_factory=list)
    mute: list[str] = msgspec.field(default_factory=list)
    repeat_interval: float = 14400.0
    group_interval: float = 300.0


class Ended(msgspec.Struct):
    """How it ended, and by whom where it was a person."""

    how: How
    author: str | None = None
    reason: str | None = None


class Incident(msgspec.Struct):
    """One incident; `public` is what receivers and commands see."""

    id: str
    number: int
    kind: IncidentKind
    cluster: str
    namespace: str
    owner: dict[str, str]
    claimed_owner: dict[str, str] | None
    user: str
    first_seen: float
    last_seen: float
    heard_at: float
    """When its last event was consumed, in own time."""
    severity: str = "info"
    count: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=lambda: {"rejected": 0, "admitted": 0, "unanswered": 0})
    images: list[FailingImage] = msgspec.field(default_factory=list)
    more_images: int = 0
    last_image: int = 0
    findings: list[IncidentFinding] = msgspec.field(default_factory=list)
    tellings: dict[str, Telling] = msgspec.field(default_factory=dict)
    ended: Ended | None = None
    ended_time: float | None = None
    """Time of the event that ended it."""
    last_event: int = 0
    """Number of the last event that concerned it."""
    ends_at: float | None = None
    """When it ends whatever is heard of it, in own time: the end of its grant."""
    is_overfull: bool = False
    """Whether there are more findings than are kept: then nobody can see that all are over."""

    @property
    def must_be_heard(self) -> bool:
        """Whether nothing holds back what is told of it."""
        return self.kind == "break_glass"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.ended is None

    def public(self, state: str, destination: str | None, links: Mapping[str, str]) -> dict[str, object]:
        """The `incident` of a message to this destination, or, without one, as commands show it."""
        telling = self.tellings.get(destination or "", Telling())
        current = {finding.image for finding in self.findings}
        return {
            "id": self.id,
            "number": self.number,
            "kind": self.kind,
            "state": state,
            "ended_by": None if self.ended is None else msgspec.to_builtins(self.ended),
            "severity": telling.severity if destination else self.severity,
            "cluster": self.cluster,
            "namespace": self.namespace,
            "owner": self.owner,
            "claimed_owner": self.claimed_owner,
            "user": self.user,
            "images": [_public(image, is_current=image.number in current) for image in self.images],
            "more_images": self.more_images,
            "count": self.count,
            "outcomes": self.outcomes,
            "first_seen": timestamp(self.first_seen),
            "last_seen": timestamp(self.last_seen),
            "told": telling.told,
            "suppressed": telling.suppressed,
            "links": dict(links),
        }


def _public(image: FailingImage, *, is_current: bool) -> dict[str, object]:
    return {
        "container": image.container,
        "container_kind": image.container_kind,
        "image": image.image,
        "digest": image.digest,
        "rule": image.rule,
        "verdict": image.verdict,
        "reason": image.reason,
        "detail": image.detail,
        "count": image.count,
        "first_seen": timestamp(image.first_seen),
        "last_seen": timestamp(image.last_seen),
        "current": is_current,
    }


def past(at: float, now: float) -> float:
    """A time of day that an event had; long ago where it lies ahead: nothing follows from a clock that was wrong."""
    return at if at <= now + SKEW else -math.inf


_decode = msgspec.json.Decoder(Incident).decode
_encode = msgspec.json.Encoder().encode


def decoded(body: str) -> Incident:
    """The incident that `encoded` made."""
    return _decode(body)


def encoded(incident: Incident) -> str:
    """The incident as it is kept."""
    return _encode(incident).decode()
