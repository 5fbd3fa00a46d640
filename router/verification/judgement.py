"""What the verifier says about one image: a value for every case, errors included. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from router.errors import NotVerifiedError
from router.images import Digest
from router.verdict import Verdict
from router.verification.scheme import Denied, Exempt, Ruling, Signer, Verified

_PINNED_HINT = (
    "; where this digest is one platform of a multi-platform image, perhaps only the index is signed: "
    "use the digest of the index, or sign with --recursive"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about one image under one rule."""

    verdict: Verdict
    reason: str
    """A public code: `signed`, `static_allow`, `static_deny`, or that of a NotVerifiedError."""
    detail: str
    """What was looked at and found, for the person whose image it is."""
    digest: Digest | None
    """What the image is; None where that was not needed or could not be found out."""
    signers: tuple[Signer, ...]
    """Who signed, where `verified`."""
    cached: bool
    """Whether it was remembered from an earlier request."""


def ruled(ruling: Ruling, digest: Digest | None) -> Judgement:
    """A judgement from what a scheme ruled."""
    match ruling:
        case Verified():
            names = ", ".join(f'"{signer.name}"' for signer in ruling.signers)
            return Judgement(Verdict.VERIFIED, "signed", f"signed by {names}", digest, ruling.signers, cached=False)
        case Exempt():
            return Judgement(Verdict.EXEMPT, "static_allow", ruling.detail, digest, (), cached=False)
        case Denied():
            return Judgement(Verdict.DENIED, "static_deny", ruling.detail, digest, (), cached=False)
        case _:
            assert_never(ruling)


def refused(error: NotVerifiedError, digest: Digest | None) -> Judgement:
    """A judgement from why an image is not proven."""
    return Judgement(error.verdict, str(error.reason), str(error), digest, (), cached=False)


def told(judgement: Judgement, *, is_pinned: bool) -> Judgement:
    """The judgement as one image's author should read it: an image given by digest may be a platform of an index."""
    if judgement.verdict is not Verdict.UNSIGNED or not is_pinned:
        return judgement
    return Judgement(
        judgement.verdict,
        judgement.reason,
        judgement.detail + _PINNED_HINT,
        judgement.digest,
        judgement.signers,
        judgement.cached,
    )
