"""What findings amount to, whatever the scheme: a proof, or why there is none, worded in one place. Pure.

The first of these that holds is the answer:
(1) Enough distinct trusted signers have signed: `Verified`. What else lies there, broken or not, takes nothing away, or
    whoever can push could take any image out of service by pushing a broken signature beside the good one.
(2) A part of the evidence could not be fetched: that error, `unverifiable`. The missing part might have been the
    proof, so neither "unsigned" nor "invalid" would be true. Of several the one that a rule tolerates least: what one
    part was refused for is not excused by another that the registry never answered.
(3) Somebody has signed another digest or something that is no signature, or evidence is broken, missing or beyond the
    limits: `invalid`. What somebody claims is told before what is merely broken, which anybody can push.
(4) There are sound signatures: `untrusted`; by too few or not by those who are required, without what is asked for, or
    by nobody whom we trust, in this order.
(5) There are none: `unsigned`.

A scheme says what its signers and its evidence are called, and which of its flaws are claims.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from router.errors import NotVerifiedError, TimedOutError, UnsignedError, UntrustedSignatureError, UnverifiableError
from router.verification.scheme import Demands, Findings, Verified
from router.verification.trust import Trust


@dataclass(frozen=True, slots=True)
class SchemeWords:
    """What a scheme calls what is not there."""

    claims: Collection[str]
    """Reasons of defects that somebody claims something by (3)."""
    nobody: str
    """By whom sound signatures are not: `by none of the keys "a", "b"`."""
    absent: str
    """Where no signature is: `no referrer holds a signature`."""


def proof_in(found: Findings, demands: Demands, trust: Trust[object], now: float, words: SchemeWords) -> Verified:
    """What these findings prove about their digest; `now` is Unix time in seconds.

    Raises:
        UnverifiableError: They might prove it, but a part of the evidence could not be fetched.
        InvalidSignatureError: A signature is broken or about something else.
        UntrustedSignatureError: Others have signed, or too few.
        UnsignedError: Nobody has.
    """
    if found.digest is None:
        raise ValueError("a signature is about a digest")
    lacking = list(found.lacking)
    if found.endorsements:
        try:
            return Verified(found.digest, tuple(found.endorsements), demands, trust, now)  # (1)
        except UntrustedSignatureError as error:
            lacking.insert(0, error)
    raise _refusal(found, lacking, words)


def _refusal(found: Findings, lacking: list[UntrustedSignatureError], words: SchemeWords) -> NotVerifiedError:
    if found.gaps:  # (2)
        return min(found.gaps, key=_excuse)
    if found.defects:  # (3)
        return min(found.defects, key=lambda defect: defect.reason not in words.claims)
    if lacking:  # (4)
        return lacking[0]
    if found.strangers:
        there = "1 signature is" if found.strangers == 1 else f"{found.strangers} signatures are"
        return UntrustedSignatureError(f"{there} there, but {words.nobody}")
    return UnsignedError(words.absent)  # (5)


def _excuse(gap: UnverifiableError) -> int:
    if isinstance(gap, TimedOutError):
        return 1
    return 2 if gap.is_registrys_doing else 0
