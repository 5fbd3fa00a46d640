"""What is known of the outside by whoever makes schemes of settings, beside the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.verification.standing import AskStanding
from router.verification.trust_roots import NO_ROOTS, Roots


@dataclass(frozen=True, slots=True)
class Outside:
    """What changes while a configuration stays as it is."""

    roots: Roots = field(default_factory=lambda: NO_ROOTS)
    """Trusted roots as they are now, where they have been renewed."""
    ask_standing: AskStanding | None = None
    """Asks whether certificates were revoked; None: nobody can be asked, so that nothing counts of which that
    is asked."""


NOTHING_KNOWN = Outside()
"""What came with the package and the configuration is all there is."""
