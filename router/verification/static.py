"""A scheme that looks at nothing: every image passes, or none. Pure.

An image that passes here is `exempt`, never `verified`: nothing was checked, and events must not say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from router.steps import Steps
from router.verification.evidence import Evidence
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.scheme import Demands, Denied, Exempt, Findings
from router.verification.settings import BUILT_IN_RULINGS, SchemeSettings
from router.verification.sought import Sought
from router.verification.trust import Trust

_NOWHERE = Sought(())
_NOBODY = Trust("static", None)


@dataclass(frozen=True, slots=True)
class StaticScheme:
    """Lets every image pass, or refuses every image."""

    name: str
    """What the operator calls it."""
    allow: bool
    message: str | None

    @property
    def needs_evidence(self) -> bool:
        """There is nothing to look for."""
        return False

    @property
    def sought(self) -> Sought:
        """Nothing, nowhere."""
        return _NOWHERE

    @property
    def trust(self) -> Trust[None]:
        """It trusts nobody."""
        return _NOBODY

    def examine(self, news: Evidence, found: Findings, trust: Trust[None]) -> Steps[None]:  # noqa: ARG002 - nothing is looked at; the Protocol gives it all
        """Nothing is looked at."""
        yield from ()

    def prove(self, found: Findings, demands: Demands, trust: Trust[None], now: float) -> Exempt | Denied:  # noqa: ARG002 - a static answer regards nothing; the Protocol gives it all
        """The answer that stands in the configuration."""
        if self.allow:
            return Exempt(self.message or f'the verifier "{self.name}" lets every image pass unseen')
        return Denied(self.message or f'the verifier "{self.name}" refuses every image')


class StaticSettings(SchemeSettings):
    """A verifier that looks at nothing: lets every image pass, or none."""

    kind: Literal["static"]
    """The scheme."""
    allow: bool
    """true: every image passes unseen (verdict `exempt`); false: every image is refused (verdict `denied`)."""
    message: str | None = Field(default=None, max_length=500)
    """Why, for the person whose image was refused or let through; stands in events. At most 500 characters."""

    def scheme(self, outside: Outside = NOTHING_KNOWN) -> StaticScheme:  # noqa: ARG002 - it trusts nobody
        """The answer, as a scheme."""
        return StaticScheme(self.name, self.allow, self.message)

    def wants(self, demands: Demands) -> str:  # noqa: ARG002 - nothing can be demanded here
        """Nothing of anybody."""
        return "no signature: every image passes" if self.allow else "no image here at all"

    @property
    def ruling(self) -> bool:
        """What it says of every image."""
        return self.allow


BUILT_IN: tuple[StaticSettings, ...] = tuple(
    StaticSettings.model_construct(name=name, kind="static", allow=allow, message=None)
    for name, allow in BUILT_IN_RULINGS.items()
)
"""The verifiers that every configuration has."""
