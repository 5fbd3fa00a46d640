"""A scheme that looks at nothing: every image passes, or none. Pure.

An image that passes here is `exempt`, never `verified`: nothing was checked, and events must not say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from router.images import Digest
from router.verification.evidence import Evidence
from router.verification.scheme import Demands, Denied, Exempt


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
    def snapshot(self) -> str:
        """It trusts nobody."""
        return "static"

    @property
    def effort(self) -> int:
        """No signature is checked."""
        return 0

    def prove(self, evidence: Evidence, digest: Digest | None, demands: Demands) -> Exempt | Denied:  # noqa: ARG002 - a static answer regards nothing; the Protocol gives it all
        """The answer that stands in the configuration."""
        if self.allow:
            return Exempt(self.message or f'the verifier "{self.name}" lets every image pass unseen')
        return Denied(self.message or f'the verifier "{self.name}" refuses every image')
