"""When an image is to blame itself, and not whoever runs it. Pure.

Rules:
(1) An image that is held against evidence is known by its digest, REPOSITORY@DIGEST, and by its tag, REPOSITORY:TAG,
    unless the reference has a digest: then the tag was not looked at.
(2) A failing image is to blame where, by the same rules (`judged_by`) and within the hour before, its digest was
    verified; else where its tag was, which then meant another digest; or where it is being blamed already. By the
    digest it is one trouble for all tags.
(3) Only what was found to be wrong with it counts as failing: an image that could not be looked at, or that a rule
    refuses whatever it is, shows nothing of itself.
(4) It is over when an event shows the digest, or the tag, passing again. A remembered verdict about the very digest
    that failed shows nothing: another gate may have proven it before. What a tag meant may be remembered, too, for a
    moment: a remembered verdict about another digest counts when `SETTLED` has passed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from router.errors import InvalidReferenceError
from router.events import ImageData
from router.images import parse_reference
from router.incidents.incident import Incident, past
from router.verdict import Verdict

WITHIN: Final = 3600.0
"""Seconds after a proof within which a failure is the image's."""
SETTLED: Final = 30.0
"""Seconds after which no gate remembers what a tag meant before: some times `webhook.resolve_tags_every`."""
_PROVEN = Verdict.VERIFIED.value
_WRONG = frozenset({Verdict.UNSIGNED.value, Verdict.UNTRUSTED.value, Verdict.INVALID.value})


def is_proven(image: ImageData) -> bool:
    """Whether it can be blamed for what follows."""
    return image["verdict"] == _PROVEN


def is_wrong(image: ImageData) -> bool:
    """Whether something was found to be wrong with it."""
    return image["verdict"] in _WRONG


@lru_cache(maxsize=1024)
def names(reference: str | None, digest: str | None) -> tuple[str, ...]:
    """What an image is known by, its digest first; nothing where that is not known."""
    if reference is None or digest is None:
        return ()
    try:
        known = parse_reference(reference)
    except InvalidReferenceError:  # it was shortened, as in an event that was too large
        return ()
    by_digest = f"{known.name}@{digest}"
    return (by_digest,) if known.digest is not None else (by_digest, f"{known.name}:{known.tag}")


def passes_again(incident: Incident, image: ImageData, at: float, now: float) -> bool:
    """Take away that an image failed before this time, when it passed; whether that was the last finding."""
    digests = {one.number: one.digest for one in incident.images}

    def is_over(failed: float, digest: str | None) -> bool:
        if not image["cached"]:
            return at >= failed
        return digest not in {None, image["digest"]} and at >= failed + SETTLED

    incident.findings = [
        one for one in incident.findings if not is_over(past(one.last_seen, now), digests.get(one.image))
    ]
    return not incident.findings
