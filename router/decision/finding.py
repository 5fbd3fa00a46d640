"""What a decision is made of: what was found out about each image, and whether the gate itself failed. Pure.

A finding is composed of values that others made: the place that was read, the rule of the policy, the verifier's
judgement. It copies nothing of them, so that a place and a rule are kept once however many findings name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

from msgspec import Struct

from router.policy import ExemptionSettings, Rule
from router.policy.ends import end_text
from router.reasons import Denial, Exemption, Reason
from router.verdict import Mode, Verdict
from router.verification.judgement import Judgement


class Place(Struct, frozen=True):
    """Where an image stands."""

    container: str
    """Name of the container or volume."""
    container_kind: str
    """container, init_container, ephemeral_container, image_volume or csi_volume."""
    image: str
    """As written; empty where there is none."""
    pointer: str
    """JSON Pointer (RFC 6901) to the text, from the object's root."""
    is_new: bool = True
    """Whether it decides: in an update of a Pod, only images that were not there before do."""
    is_pinnable: bool = True
    """Whether a digest may be written there."""


@dataclass(frozen=True, slots=True)
class Exempted:
    """By what an image that fails is let in, and what is true of it."""

    by: ExemptionSettings
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one place of an image."""

    place: Place
    reference: str | None
    """Its image, normalised; None where the text is no reference."""
    rule: Rule | None
    """The rule that names it; None where none does."""
    judgement: Judgement
    wanted: str = ""
    """What the rule asks for, in words."""
    milliseconds: float = 0.0
    """How long it took to be judged."""
    exempted: Exempted | None = None
    """Where it fails and is let in by an exemption."""

    @property
    def verdict(self) -> Verdict:
        """What is known about the image."""
        return self.judgement.verdict

    @property
    def reason(self) -> Reason:
        """Why."""
        return self.judgement.reason

    @property
    def digest(self) -> str | None:
        """What the image is, where that is known."""
        return None if self.judgement.digest is None else str(self.judgement.digest)

    @property
    def is_enforced(self) -> bool:
        """Whether its rule enforces; what no rule names is refused wherever the namespace enforces."""
        return self.rule is None or self.rule.mode is Mode.ENFORCE

    @property
    def may_be_unchecked(self) -> bool:
        """Whether its rule lets an image pass that the registry keeps from being checked (`on_unverifiable: admit`)."""
        return self.rule is not None and self.rule.on_unverifiable == "admit"

    @property
    def is_failing(self) -> bool:
        """Whether enforcement would refuse for it."""
        return self.place.is_new and not (self.verdict.is_pass or self.is_tolerated)

    @property
    def is_tolerated(self) -> bool:
        """Whether it could not be checked, its registry is the reason, and its rule lets that pass."""
        is_unchecked = self.verdict is Verdict.UNVERIFIABLE and self.judgement.is_registrys_doing
        return self.place.is_new and is_unchecked and self.may_be_unchecked

    def exempt(self, by: ExemptionSettings) -> Finding:
        """The same of an image that fails and is let in by an exemption: the true verdict is in the detail."""
        true = self.judgement
        found = f"{true.verdict.value} ({true.reason})" + (f": {true.detail}" if true.detail else "")
        judgement = replace(
            true,
            verdict=Verdict.EXEMPT,
            reason=Exemption.EXEMPTION,
            detail=f'{found}; let in until {end_text(by.until)} by the exemption "{by.pattern}": {by.reason}',
        )
        return replace(self, judgement=judgement, exempted=Exempted(by, true.verdict, true.reason))

    def not_pinned(self) -> Finding:
        """The same of an image that should have been pinned, and is not: it fails although it is proven."""
        detail = f"it is proven as {self.digest}, but a tag may mean something else when it is pulled"
        return replace(
            self, judgement=replace(self.judgement, verdict=Verdict.DENIED, reason=Denial.NOT_PINNED, detail=detail)
        )


FailureReason: TypeAlias = Literal["unreadable", "undelivered", "event_not_stored", "internal_error"]
"""A public code. The first is the object's own doing, and stays so whenever it is asked about; the others are ours."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the request as a whole can't be admitted, whatever its images are."""

    reason: FailureReason
    detail: str

    @classmethod
    def unreadable(cls, problem: str) -> Self:
        """What is asked can't be read."""
        return cls("unreadable", problem)

    @classmethod
    def undelivered(cls, missing: Sequence[str]) -> Self:
        """Destinations that must be told before an admission gave no receipt."""
        return cls("undelivered", f"no receipt from {', '.join(missing)}")

    @classmethod
    def event_not_stored(cls) -> Self:
        """The outbox did not take the event in time."""
        return cls("event_not_stored", "the event of this decision can't be stored")
