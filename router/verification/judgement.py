"""What the verifier says about one image: a value for every case, errors included. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from router.errors import NotVerifiedError, OverloadedError, TimedOutError, UnverifiableError
from router.images import Digest
from router.reasons import Denial, Exemption, Obstacle, Proof, Reason
from router.verdict import Verdict
from router.verification.scheme import Denied, Exempt, Ruling, Signer, Verified

LONG_ASKED = 0.5
"""The part of the time allowed for which a question has to be on the wire, so that a timeout is the registry's."""
_PINNED_HINT = (
    "; where this digest is one platform of a multi-platform image, perhaps only the index is signed: "
    "use the digest of the index, or sign with --recursive"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about one image under one rule."""

    verdict: Verdict
    reason: Reason
    """Why."""
    detail: str
    """What was looked at and found, for the person whose image it is."""
    digest: Digest | None
    """What the image is; None where that was not needed or could not be found out."""
    signers: tuple[Signer, ...]
    """Who signed, where `verified`."""
    cached: bool
    """Whether it was remembered from an earlier request."""
    is_registrys_doing: bool = False
    """Where `unverifiable`: a question about this image was sent, and the registry did not answer it: unreachable,
    rate_limited, or a timeout in which one question was on the wire (`router.registry.wire`: without the time for which
    its answer flowed) for at least half of the time allowed. Only this may be tolerated: everything else can be chosen
    by whoever names an image, or asks or pushes much."""
    valid_until: float | None = None
    """Unix time in seconds from which a proof proves nothing; None: for as long as the trust stays what it is."""
    judged_by: str = ""
    """Id of what the rule demands and whom its verifier trusts; empty where nothing was held against evidence."""

    @property
    def is_timeout(self) -> bool:
        """Whether time ran out while it was being asked."""
        return self.verdict is Verdict.UNVERIFIABLE and self.reason is Obstacle.TIMEOUT


def ruled(ruling: Ruling, digest: Digest | None) -> Judgement:
    """A judgement from what a scheme ruled."""
    match ruling:
        case Verified():
            names = ", ".join(f'"{signer.name}"' for signer in ruling.signers)
            told, until = f"signed by {names}", ruling.valid_until
            return Judgement(
                Verdict.VERIFIED, Proof.SIGNED, told, digest, ruling.signers, cached=False, valid_until=until
            )
        case Exempt():
            return Judgement(Verdict.EXEMPT, Exemption.STATIC_ALLOW, ruling.detail, digest, (), cached=False)
        case Denied():
            return Judgement(Verdict.DENIED, Denial.STATIC_DENY, ruling.detail, digest, (), cached=False)
        case _:
            assert_never(ruling)


def refused(error: NotVerifiedError, digest: Digest | None) -> Judgement:
    """A judgement from why an image is not proven."""
    is_registrys_doing = isinstance(error, UnverifiableError) and error.is_registrys_doing
    return Judgement(
        error.verdict, error.reason, str(error), digest, (), cached=False, is_registrys_doing=is_registrys_doing
    )


def timed_out(judgement: Judgement | None, asked: float, allowed: float) -> Judgement:
    """The judgement about an image that was being asked about at the deadline.

    Args:
        judgement: What was said of it, where anything was.
        asked: For how many seconds the question that was asked for longest was on the wire.
        allowed: How many seconds there were from the first byte of the request to its deadline.
    """
    detail = "no verdict within the deadline of the request" if judgement is None else judgement.detail
    digest = None if judgement is None else judgement.digest
    told = f"{detail} (a question was on the wire for {asked:.1f} of {allowed:.1f} s)"
    is_long = asked > 0 and asked >= allowed * LONG_ASKED
    return refused(TimedOutError(told, is_registrys_doing=is_long), digest)


def overloaded(*, had_a_turn: bool) -> Judgement:
    """The judgement about an image that waited for its turn at the deadline."""
    had = "it had to make room for others" if had_a_turn else "it never got its turn"
    return refused(OverloadedError(f"too many images were waiting to be verified: {had} within the deadline"), None)


def denied(reason: Denial, detail: str) -> Judgement:
    """The judgement about an image that is refused without asking anybody."""
    return Judgement(Verdict.DENIED, reason, detail, None, (), cached=False)


def unasked() -> Judgement:
    """The judgement about an image of a request that nobody waits for any more."""
    detail = "nobody waited for a verdict"
    return Judgement(Verdict.UNVERIFIABLE, Obstacle.UNANSWERED, detail, None, (), cached=False)


def failed(error: BaseException) -> Judgement:
    """The judgement about an image at which the verifier itself failed."""
    detail = f"the verifier failed ({type(error).__name__})"
    return Judgement(Verdict.UNVERIFIABLE, Obstacle.INTERNAL_ERROR, detail, None, (), cached=False)


def with_hint(judgement: Judgement, *, is_pinned: bool) -> Judgement:
    """The judgement as one image's author should read it: an image given by digest may be a platform of an index."""
    if judgement.verdict is not Verdict.UNSIGNED or not is_pinned:
        return judgement
    return replace(judgement, detail=judgement.detail + _PINNED_HINT)


@lru_cache(maxsize=1024)
def judged_by(demands: str, trust: str) -> str:
    """Id of what an image is judged by: equal for equal demands of a rule (its key) and an equal trust (its id)."""
    return hashlib.sha256(f"{demands}\n{trust}".encode()).hexdigest()[:16]
