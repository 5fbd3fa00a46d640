"""What a decision is made of: what was found out about each image, and whether the gate itself failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from router.verdict import Mode, Verdict
from router.verification.scheme import Signer


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one place of an image."""

    container: str
    container_kind: str
    image: str
    """As written."""
    reference: str | None
    """Normalised; None where the text is no reference."""
    digest: str | None
    rule: str | None
    """Pattern of the rule; None where none matched."""
    rule_mode: Mode
    on_unverifiable: str
    """`reject` or `admit`."""
    verifier: str | None
    verdict: Verdict
    reason: str
    detail: str
    signers: tuple[Signer, ...]
    cached: bool
    milliseconds: float
    wanted: str
    """What the rule asks for, in words."""
    is_new: bool = True
    """Whether it decides: in an update of a Pod, only images that were not there before do."""

    @property
    def is_failing(self) -> bool:
        """Whether enforcement would refuse for it."""
        is_tolerated = self.verdict is Verdict.UNVERIFIABLE and self.on_unverifiable == "admit"
        return self.is_new and not (self.verdict.is_pass or is_tolerated)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the request as a whole can't be admitted, whatever its images are."""

    reason: str
    """A code: undelivered, event_not_stored, unreadable, internal_error."""
    detail: str
