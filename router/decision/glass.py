"""A glass that was broken: what somebody who may has let in, and what is let in by that afterwards. Pure.

Rules:
(1) A grant is for one namespace, and for the images that the object had at whose request it was made: by their digests,
    where those were known then; else as they were written, whatever they mean, since a registry that does not answer is
    why glass is broken. So whoever may push brings nothing else in where the registry did answer.
(2) It lets in an object only where each image of it that fails is among them, and only before its end.
(3) It changes no verdict: what is true of an image is told, and that it was let in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from router.decision.finding import Finding
from router.errors import InvalidReferenceError
from router.images import parse_reference

IMAGES_LIMIT = 100
"""Images of one grant; objects have fewer."""


class GrantedImage(Struct, frozen=True, array_like=True):
    """An image that a grant is for."""

    reference: str
    """Normalised."""
    digest: str | None
    """What it meant; None where nobody could tell."""


class Grant(Struct, frozen=True, array_like=True):
    """What controllers may bring in of an object."""

    id: str
    """That of the event that told of it."""
    namespace: str
    images: tuple[GrantedImage, ...]
    by: str
    """Who has broken the glass."""
    justification: str
    until: float
    """Seconds since 1970."""

    def covers(self, failing: Sequence[Finding], now: float) -> bool:
        """Whether it lets these in at that time of day; it lets in nothing where nothing fails."""
        return now < self.until and bool(failing) and all(map(self._covers_one, failing))

    def _covers_one(self, finding: Finding) -> bool:
        if (reference := finding.reference) is None:
            return False
        digest = known_digest(finding)
        return any(one.reference == reference if one.digest is None else one.digest == digest for one in self.images)


@dataclass(frozen=True, slots=True)
class Glass:
    """By what a request is let in."""

    grant: Grant
    is_new: bool
    """Whether this very request has broken it."""


def granted_images(findings: Iterable[Finding]) -> tuple[GrantedImage, ...]:
    """The images of an object that a grant is for; a text that is no reference is none."""
    found = (GrantedImage(one.reference, known_digest(one)) for one in findings if one.reference is not None)
    return tuple(dict.fromkeys(found))[:IMAGES_LIMIT]


def known_digest(finding: Finding) -> str | None:
    """What the image is: as it was resolved, else as it is written."""
    if finding.digest is not None or finding.reference is None:
        return finding.digest
    try:
        digest = parse_reference(finding.reference).digest
    except InvalidReferenceError:
        return None
    return None if digest is None else str(digest)
