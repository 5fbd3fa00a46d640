"""An image is proven when enough of the pinned keys have signed its digest, in either format. Pure.

The first of these that holds is the answer:
(1) Enough distinct trusted keys have signed: `Verified`. What else lies there, broken or not, takes nothing away, or
    whoever can push could take any image out of service by pushing a broken signature beside the good one.
(2) A part of the evidence could not be fetched, `unverifiable`.
(3) A trusted key has signed another digest or something that is no signature, or evidence is broken, missing or
    beyond the limits: `invalid` (`router.verification.refusals` says why in this order).
(4) There are sound signatures: `untrusted`; by nobody we trust, by too few, or not by those who are required.
(5) There are attestations at most: `unsigned`. An attestation is no signature, whoever made it.
"""

from __future__ import annotations

from router.errors import (
    InvalidSignatureError,
    NotVerifiedError,
    UnsignedError,
    UntrustedSignatureError,
)
from router.images import Digest
from router.steps import Steps
from router.verification.cosign import bundles, legacy
from router.verification.cosign.findings import Finding, Unendorsed
from router.verification.evidence import Evidence, Family, Flaw, SigstoreBundle, SimpleSigning
from router.verification.keys import TrustedKeys
from router.verification.refusals import obstacle_in
from router.verification.scheme import Demands, Endorsement, Findings, Verified
from router.verification.trust import Trust

_CLAIMED = frozenset({Flaw.DIGEST_MISMATCH, Flaw.CRITICAL_TYPE, Flaw.STATEMENT_TYPE})


class CosignKeyScheme:
    """Signatures by pinned keys. Fails closed: without keys there is no trust that it could be made with."""

    def __init__(self, trust: Trust[TrustedKeys]) -> None:
        self.trust = trust

    @property
    def family(self) -> Family:
        """Those of cosign."""
        return Family.COSIGN

    @property
    def needs_evidence(self) -> bool:
        """Signatures, in whichever format: that is probed, not configured."""
        return True

    def examine(self, news: Evidence, found: Findings, trust: Trust[TrustedKeys]) -> Steps[None]:
        """Add what each piece is to the findings; a step is at most one key's check of one piece."""
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        found.attestations += news.attestations
        found.defects.extend(news.defects)
        found.gaps.extend(news.gaps)
        pieces: tuple[SimpleSigning | SigstoreBundle, ...] = (*news.simple_signings, *news.bundles)
        for piece in pieces:
            try:
                finding = yield from _examined(piece, trust.material, found.digest)
            except InvalidSignatureError as error:
                found.defects.append(error)
            else:
                _add(found, finding)
            yield

    def prove(self, found: Findings, demands: Demands, trust: Trust[TrustedKeys], now: float) -> Verified:
        """Say whether enough of the keys have signed this digest.

        Raises:
            UnverifiableError: They might have, but a part of the evidence could not be fetched.
            InvalidSignatureError: A signature is broken or about something else.
            UntrustedSignatureError: Others have, or too few.
            UnsignedError: Nobody has.
        """
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        lacking: UntrustedSignatureError | None = None
        if found.endorsements:
            try:
                return Verified(found.digest, tuple(found.endorsements), demands, trust, now)  # (1)
            except UntrustedSignatureError as error:
                lacking = error
        raise _refusal(found, trust.material, lacking)


def _examined(piece: SimpleSigning | SigstoreBundle, keys: TrustedKeys, digest: Digest) -> Steps[Finding]:
    match piece:
        case SimpleSigning():
            return (yield from legacy.examine(piece, keys, digest))
        case SigstoreBundle():  # pragma: no branch - the union is closed
            return (yield from bundles.examine(piece, keys, digest))


def _add(found: Findings, finding: Finding) -> None:
    match finding:
        case Endorsement():
            found.endorsements.append(finding)
        case Unendorsed.STRANGER:
            found.strangers += 1
        case Unendorsed.ATTESTATION:
            found.attestations += 1


def _refusal(found: Findings, keys: TrustedKeys, lacking: UntrustedSignatureError | None) -> NotVerifiedError:
    if (obstacle := obstacle_in(found, _CLAIMED)) is not None:  # (2) (3)
        return obstacle
    if lacking is not None:  # (4)
        return lacking
    if found.strangers:
        there = "1 signature is" if found.strangers == 1 else f"{found.strangers} signatures are"
        return UntrustedSignatureError(f"{there} there, but {_nobody(keys)}")
    if found.attestations:  # (5)
        return UnsignedError(
            f"neither a .sig tag nor a referrer holds a signature; {found.attestations} "
            f"{'attestation is' if found.attestations == 1 else 'attestations are'} there, which are no signatures"
        )
    return UnsignedError("neither a .sig tag nor a referrer holds a signature")


def _nobody(keys: TrustedKeys) -> str:
    names = ", ".join(f'"{name}"' for entry in keys for name in entry.names)
    return f"not by key {names}" if len(keys) == 1 else f"by none of the keys {names}"
