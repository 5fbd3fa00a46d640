"""What a decision is made of: what was found out about each image, and whether the gate itself failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from router.reasons import Reason
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
    reason: Reason
    detail: str
    signers: tuple[Signer, ...]
    cached: bool
    milliseconds: float
    wanted: str
    """What the rule asks for, in words."""
    is_registrys_doing: bool = False
    """Where `unverifiable`: as in `router.verification.Judgement`; nothing else is ever tolerated."""
    is_new: bool = True
    """Whether it decides: in an update of a Pod, only images that were not there before do."""
    judged_by: str = ""
    """As in `router.verification.Judgement`."""

    @property
    def is_failing(self) -> bool:
        """Whether enforcement would refuse for it."""
        return self.is_new and not (self.verdict.is_pass or self.is_tolerated)

    @property
    def is_tolerated(self) -> bool:
        """Whether it could not be checked, its registry is the reason, and its rule lets that pass."""
        is_unchecked = self.verdict is Verdict.UNVERIFIABLE
        return self.is_new and is_unchecked and self.is_registrys_doing and self.on_unverifiable == "admit"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the request as a whole can't be admitted, whatever its images are."""

    reason: str
    """A code: undelivered, event_not_stored, unreadable, internal_error."""
    detail: str
