"""For how long what was not asked for anew goes on holding. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

from router.verification.judgement import Judgement


@dataclass(frozen=True, slots=True)
class Lasting:
    """Until something ends, and for as long as certain verifiers trust whom they trusted."""

    until: float = math.inf
    """By the clock of the memory."""
    valid_until: float = math.inf
    """In Unix time, seconds."""
    trusts: frozenset[tuple[str, str]] = frozenset()
    """Names of verifiers, and the ids of their trust."""

    def both(self, other: Self) -> Lasting:
        """For as long as both hold."""
        return Lasting(
            min(self.until, other.until), min(self.valid_until, other.valid_until), self.trusts | other.trusts
        )


FOR_EVER = Lasting()
"""What follows from a configuration alone holds as long as that is in force."""


class KnownJudgement(NamedTuple):
    """A judgement that was had without asking anybody."""

    judgement: Judgement
    lasting: Lasting = FOR_EVER
