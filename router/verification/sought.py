"""What a scheme looks for, and where it may lie. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from router.images import ImageReference
from router.verification.evidence import ATTESTATIONS_LIMIT, SIGN_PREDICATE, TOTAL_LIMIT, EvidenceFamily


class SoughtPlace(StrEnum):
    """Where cosign, Notation and registries put signatures."""

    SIG_TAG = "sig_tag"
    """The tag `ALGORITHM-HEX.sig` beside the image: one manifest with a layer for each signature."""
    ATT_TAG = "att_tag"
    """The tag `ALGORITHM-HEX.att` beside it: the same with attestations."""
    REFERRERS_API = "referrers_api"
    """Manifests whose `subject` is the image, listed by the registry."""
    FALLBACK_TAG = "fallback_tag"
    """The same, listed by the index behind the tag `ALGORITHM-HEX`, where there is no API."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a scheme looks for, and where."""

    places: tuple[SoughtPlace, ...]
    """Each is asked; in this order where nothing else decides."""
    predicate_type: str = SIGN_PREDICATE
    """What bundles must be about."""
    repository: ImageReference | None = None
    """Where to look; None: in the image's own repository."""
    family: EvidenceFamily = EvidenceFamily.COSIGN
    """Whose formats count; what is of another family is foreign."""

    @property
    def limit(self) -> int:
        """Bytes of named evidence that are looked at."""
        return TOTAL_LIMIT + (0 if self.predicate_type == SIGN_PREDICATE else ATTESTATIONS_LIMIT)
