"""Where signatures of an image may lie, which place to ask first, and which referrers to look at first.

Rules:
(1) Every place is asked before an image is refused: what is known decides order, never whether something is asked.
(2) Where a repository's last proof of this kind lay is asked first, alone: the usual image costs its own questions and
    no others.
(3) Where nothing is known of a repository, all places are asked at the same time, that of the registry's last proof
    first: who has one way to sign has it in all repositories, and is not answered behind what is not there.
(4) Referrers come nearest first: what the list calls a signature, what it calls nothing, and then, aside, what it calls
    an attestation or something else. The smaller of two is first. All that is a hint that anybody can write.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum

from router.images import ImageReference
from router.registry import Descriptor
from router.verification.evidence import NOTATION_TYPE, PREDICATE_ANNOTATION, EvidenceFamily
from router.verification.manifests import may_be_signature, says_other
from router.verification.sought import Sought, SoughtPlace

_REMEMBERED = 10_000
"""Repositories and registries."""
_TYPES_THAT_SAY_NOTHING = frozenset({"", "application/vnd.oci.empty.v1+json"})


class Nearness(IntEnum):
    """How near a referrer is to a signature, by what a list says of it."""

    SIGNATURE = 0
    """An annotation says so."""
    FORMAT = 1
    """The artifact type is one of the family's formats."""
    UNSAID = 2
    """There is no artifact type, or an empty one."""
    ATTESTATION = 3
    """One of cosign's formats, and an annotation names another predicate than is wanted."""
    FOREIGN = 4
    """Something else; some registries list another type than the manifest has."""

    @property
    def is_aside(self) -> bool:
        """Whether it is none by what is said of it: looked at last, and never too many."""
        return self >= Nearness.ATTESTATION


def nearness_of(listed: Descriptor, sought: Sought) -> Nearness:
    """How near this referrer is to what is sought."""
    if sought.family is EvidenceFamily.NOTATION and listed.artifact_type == NOTATION_TYPE:
        return Nearness.FORMAT
    wanted = sought.predicate_type
    predicate = listed.annotations.get(PREDICATE_ANNOTATION, "")
    if sought.family is EvidenceFamily.COSIGN and may_be_signature(listed.artifact_type):
        if says_other(predicate, wanted):
            return Nearness.ATTESTATION
        return Nearness.SIGNATURE if predicate == wanted else Nearness.FORMAT
    return Nearness.UNSAID if listed.artifact_type in _TYPES_THAT_SAY_NOTHING else Nearness.FOREIGN


class ProvenPlaces:
    """Where the last proof of each kind lay in each repository and at each registry; bounded, the oldest go."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str | None, str, EvidenceFamily], SoughtPlace] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def last(self, image: ImageReference, sought: Sought) -> SoughtPlace | None:
        """Where the last proof by what is sought lay in the image's repository; None where nothing is known."""
        return self._known.get((image.registry, image.repository, sought.predicate_type, sought.family))

    def usual(self, image: ImageReference, sought: Sought) -> SoughtPlace | None:
        """The same of whatever repository of the image's registry."""
        return self._known.get((image.registry, None, sought.predicate_type, sought.family))

    def note(self, image: ImageReference, sought: Sought, place: SoughtPlace) -> None:
        """Something was proven here."""
        for repository in (image.repository, None):
            key = image.registry, repository, sought.predicate_type, sought.family
            self._known[key] = place
            self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
