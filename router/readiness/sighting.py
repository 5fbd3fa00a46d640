"""One image of one owner as it was seen: by which of them readiness is judged. Pure.

Kinds of sightings, by what stood in the event:

    passing       nothing is wrong with it
    failing       it would be refused where its namespace enforces; in an update that brings other images: when its Pod
                  is made anew
    unreachable   nobody could look: the registry, the network or our own time is the reason, not the image
    tolerated     it is failing, but is refused nowhere: its rule is in detect, or lets pass what can't be looked at

Rules:
(1) What is `unverifiable` for a reason that looking again can end is unreachable. What is unverifiable for any other,
    such as credentials that are missing, stays so: it is failing.
(2) A request that would have been refused although no image of it fails is a sighting without an image. Where its
    object can't be read it is failing: it would be refused every time it comes. Where we failed ourselves, or an older
    release wrote the event, which says nothing of that, it is unreachable.
(3) Texts that others wrote are cut to `TEXT_LIMIT` where they are kept; names that are cut stay others than what they
    differ from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
import orjson

from router.events import EventData, ImageData
from router.reasons import Obstacle
from router.text import SHORTENED, shortened
from router.verdict import IS_PASS, Verdict

TEXT_LIMIT = SHORTENED
"""Characters of a name or a detail that are kept."""
SightingStanding: TypeAlias = Literal["passing", "failing", "unreachable", "tolerated"]
"""What a sighting says of whether its namespace can be enforced."""
_PASSING_BY = frozenset(
    {
        Obstacle.UNREACHABLE.value,
        Obstacle.RATE_LIMITED.value,
        Obstacle.TIMEOUT.value,
        Obstacle.OVERLOADED.value,
        Obstacle.UNANSWERED.value,
        Obstacle.INTERNAL_ERROR.value,
        Obstacle.NO_DIGEST.value,
        Obstacle.TRUST_MISSING.value,
        Obstacle.REVOCATION_UNKNOWN.value,
    }
)
NOT_JUDGED, UNREADABLE = "not_judged", "unreadable"
"""The reasons of (2): ours, and the object's."""


class Sighting(msgspec.Struct, frozen=True):
    """What was seen; equal ones are one that was seen more than once."""

    container_kind: str
    container: str
    image: str
    """As written; empty where no image was read (2)."""
    reference: str | None
    """Normalised."""
    digest: str | None
    verdict: str
    reason: str
    standing: SightingStanding
    rule: str | None
    """Pattern of the rule that applied."""

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands in its object."""
        return self.container_kind, self.container

    @property
    def is_judged(self) -> bool:
        """Whether it says something of an image (2)."""
        return self.reason not in {NOT_JUDGED, UNREADABLE}

    @property
    def is_open(self) -> bool:
        """Whether it counts until it is seen mended."""
        return self.standing in {"failing", "unreachable"}

    def key(self, owner: str) -> bytes:
        """What tells it from every other of its namespace."""
        whole = (owner, *self.place, self.image, self.digest, self.verdict, self.reason, self.standing, self.rule)
        return hashlib.blake2b(orjson.dumps(whole), digest_size=16).digest()


_NOT_JUDGED = Sighting("", "", "", None, None, Verdict.UNVERIFIABLE.value, NOT_JUDGED, "unreachable", None)
_UNREADABLE = msgspec.structs.replace(_NOT_JUDGED, reason=UNREADABLE, standing="failing")


class SeenState(msgspec.Struct, frozen=True):
    """What a row says of what was seen."""

    owner: Mapping[str, str]
    """`api_version`, `kind` and `name`."""
    sighting: Sighting
    detail: str
    """The cause in words."""
    wanted: str
    """What the rule asks for, in words."""


@dataclass(frozen=True, slots=True)
class SightedImage:
    """One image of one owner in one container, and how often it was seen like that; times in seconds since 1970."""

    seen: SeenState
    is_open: bool
    """Whether it would be refused, or could not be looked at, and was not seen mended since."""
    first_at: float
    last_at: float
    times: int
    rejected: int
    """How often it was in a request that was really refused."""


def sightings(data: EventData) -> Iterator[tuple[Sighting, ImageData | None]]:
    """What an event shows, each with the image that shows it."""
    would_reject, is_all_passing = data["decision"]["would_reject"], "images_omitted" not in data
    for image in data["images"]:
        sighting = sighting_of(image, would_reject=would_reject)
        is_all_passing &= sighting.standing == "passing"
        yield sighting, image
    is_unreadable = data["decision"].get("failure") == UNREADABLE
    if would_reject and (is_all_passing or is_unreadable):
        yield (_UNREADABLE if is_unreadable else _NOT_JUDGED), None


def sighting_of(image: ImageData, *, would_reject: bool) -> Sighting:
    """What an image is seen as, in a request that would have been refused or not."""
    reference, rule = image["reference"], image["rule"]
    return Sighting(
        shortened(image["container_kind"], TEXT_LIMIT),
        shortened(image["container"], TEXT_LIMIT),
        shortened(image["image"], TEXT_LIMIT),
        None if reference is None else shortened(reference, TEXT_LIMIT),
        image["digest"],
        image["verdict"],
        image["reason"],
        _standing(image, would_reject=would_reject),
        None if rule is None else shortened(rule, TEXT_LIMIT),
    )


def _standing(image: ImageData, *, would_reject: bool) -> SightingStanding:
    if IS_PASS[image["verdict"]]:
        return "passing"
    is_new = image.get("is_new", True)
    if not image.get("is_enforced", True) or (is_new and not would_reject):
        return "tolerated"
    is_unverifiable = image["verdict"] == Verdict.UNVERIFIABLE.value
    return "unreachable" if is_unverifiable and image["reason"] in _PASSING_BY else "failing"


def detail_of(image: ImageData | None, data: EventData) -> str:
    """The cause in words, uncut."""
    return data["decision"]["message"] if image is None else image["detail"]
