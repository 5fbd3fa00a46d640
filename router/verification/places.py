"""Where signatures of an image may lie, which place to ask first, and which referrers to look at first.

Rules:
(1) Every place is asked before an image is refused: what is known decides order, never whether something is asked.
(2) Where a repository's last proof lay is asked first, alone: the usual image costs its own questions and no others.
(3) Referrers come nearest first: what the list calls a signature, what it calls nothing, and then, aside, what it calls
    an attestation or something else. The smaller of two is first. All that is a hint that anybody can write.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from router.images import Digest, ImageReference
from router.registry import Descriptor
from router.verification.evidence import NOTATION_TYPE, PREDICATE_ANNOTATION, SIGN_PREDICATE, Family
from router.verification.manifests import may_be_signature, says_attestation

_REPOSITORIES_REMEMBERED = 10_000
_TYPES_THAT_SAY_NOTHING = frozenset({"", "application/vnd.oci.empty.v1+json"})


class Place(StrEnum):
    """Where cosign, Notation and registries put signatures."""

    SIG_TAG = "sig_tag"
    """The tag `ALGORITHM-HEX.sig` beside the image: one manifest with a layer for each signature."""
    REFERRERS_API = "referrers_api"
    """Manifests whose `subject` is the image, listed by the registry."""
    FALLBACK_TAG = "fallback_tag"
    """The same, listed by the index behind the tag `ALGORITHM-HEX`, where there is no API."""


class Nearness(IntEnum):
    """How near a referrer is to a signature, by what a list says of it."""

    SIGNATURE = 0
    """An annotation says so."""
    FORMAT = 1
    """The artifact type is one of the family's formats."""
    UNSAID = 2
    """There is no artifact type, or an empty one."""
    ATTESTATION = 3
    """One of cosign's formats, and an annotation names another predicate."""
    FOREIGN = 4
    """Something else; some registries list another type than the manifest has."""

    @property
    def is_aside(self) -> bool:
        """Whether it is none by what is said of it: looked at last, and never too many."""
        return self >= Nearness.ATTESTATION


def nearness_of(listed: Descriptor, family: Family) -> Nearness:
    """How near this referrer is to a signature of this family."""
    if family is Family.NOTATION and listed.artifact_type == NOTATION_TYPE:
        return Nearness.FORMAT
    predicate = listed.annotations.get(PREDICATE_ANNOTATION, "")
    if family is Family.COSIGN and may_be_signature(listed.artifact_type):
        if says_attestation(predicate):
            return Nearness.ATTESTATION
        return Nearness.SIGNATURE if predicate == SIGN_PREDICATE else Nearness.FORMAT
    return Nearness.UNSAID if listed.artifact_type in _TYPES_THAT_SAY_NOTHING else Nearness.FOREIGN


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: evidence of one family about one digest."""

    digest: Digest
    family: Family

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it may lie."""
        return tuple(Place) if self.family is Family.COSIGN else (Place.REFERRERS_API, Place.FALLBACK_TAG)


class ProvenPlaces:
    """Where the last proof of each repository lay; bounded, the longest unused is forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Place] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def last(self, image: ImageReference) -> Place | None:
        """Where the last proof in the image's repository lay; None where nothing is known."""
        return self._known.get((image.registry, image.repository))

    def note(self, image: ImageReference, place: Place) -> None:
        """Something was proven here."""
        repository = image.registry, image.repository
        self._known[repository] = place
        self._known.move_to_end(repository)
        if len(self._known) > _REPOSITORIES_REMEMBERED:
            self._known.popitem(last=False)
