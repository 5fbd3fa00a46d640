"""What stands between findings and any other answer, whatever the scheme. Pure.

(1) A part of the evidence could not be fetched: that error, `unverifiable`. The missing part might have been the
    proof, so neither "unsigned" nor "invalid" would be true. Of several the one that a rule tolerates least: what one
    part was refused for is not excused by another that the registry never answered.
(2) Somebody has signed another digest or something that is no signature, or evidence is broken, missing or beyond the
    limits: `invalid`. What somebody claims is told before what is merely broken, which anybody can push.
"""

from __future__ import annotations

from collections.abc import Collection

from router.errors import NotVerifiedError, TimedOutError, UnverifiableError
from router.verification.scheme import Findings


def obstacle_in(found: Findings, claims: Collection[str]) -> NotVerifiedError | None:
    """What these findings are refused for before anything else; `claims` are reasons that are told first."""
    if found.gaps:  # (1)
        return min(found.gaps, key=_excuse)
    return min(found.defects, key=lambda defect: defect.reason not in claims, default=None)  # (2)


def _excuse(gap: UnverifiableError) -> int:
    if isinstance(gap, TimedOutError):
        return 1
    return 2 if gap.is_registrys_doing else 0
