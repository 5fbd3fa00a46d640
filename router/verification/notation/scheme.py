"""An image is proven when enough of those whom the trust stores vouch for have signed its digest. Pure.

The first of these that holds is the answer:
(1) Level `skip`: every image passes, `exempt`, and nothing is looked at.
(2) Enough distinct signers have signed: `Verified`. What else lies there takes nothing away. A signer is the subject
    of a certificate with its issuer, whatever key it has this time, and is called by the store that vouches for it
    (`required`), or by its subject, so that two subjects of one store are two.
(3) A part of the evidence could not be fetched, `unverifiable`, or is broken, `invalid`; see
    `router.verification.refusals`.
(4) There are sound signatures: `untrusted`; by nobody we trust, by others than the identities, by too few, or without
    what was demanded.
(5) There are none: `unsigned`.
"""

from __future__ import annotations

from router.errors import InvalidSignatureError, UnsignedError, UntrustedSignatureError
from router.reasons import Flaw
from router.steps import Steps
from router.verification.evidence import Evidence, Family
from router.verification.notation.proof import examine
from router.verification.notation.trust import Policy
from router.verification.refusals import obstacle_in
from router.verification.scheme import Demands, Exempt, Findings, Verified
from router.verification.sought import Place, Sought
from router.verification.trust import Trust

_REFERRERS = Sought((Place.REFERRERS_API, Place.FALLBACK_TAG), family=Family.NOTATION)
_NOWHERE = Sought(())


class NotationScheme:
    """Signatures of Notation, by trust stores, identities and a level."""

    def __init__(self, trust: Trust[Policy]) -> None:
        self.trust = trust

    @property
    def sought(self) -> Sought:
        """Envelopes behind the referrers of the image; nowhere where every image passes (1)."""
        return _REFERRERS if self.needs_evidence else _NOWHERE

    @property
    def needs_evidence(self) -> bool:
        """Signatures, unless every image passes (1)."""
        return not self.trust.material.is_skipped

    def examine(self, news: Evidence, found: Findings, trust: Trust[Policy]) -> Steps[None]:
        """Add what each envelope is to the findings; a step is at most one certificate's check, or a timestamp's."""
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        found.defects.extend(news.defects)
        found.gaps.extend(news.gaps)
        for piece in news.notations:
            try:
                endorsement = yield from examine(piece, trust.material, found.digest, found.now)
            except InvalidSignatureError as error:
                found.defects.append(error)
            except UntrustedSignatureError as error:
                found.lacking.append(error)
            else:
                if endorsement is None:
                    found.strangers += 1
                else:
                    found.endorsements.append(endorsement)
            yield

    def prove(self, found: Findings, demands: Demands, trust: Trust[Policy], now: float) -> Verified | Exempt:
        """Say whether enough of those who are trusted have signed this digest.

        Raises:
            UnverifiableError: They might have, but a part of the evidence could not be fetched.
            InvalidSignatureError: A signature is broken or about something else.
            UntrustedSignatureError: Others have, or too few.
            UnsignedError: Nobody has.
        """
        if trust.material.is_skipped:  # (1)
            return Exempt("the verifier's level is skip: every image passes unseen")
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        lacking = list(found.lacking)
        if found.endorsements:
            try:
                return Verified(found.digest, tuple(found.endorsements), demands, trust, now)  # (2)
            except UntrustedSignatureError as error:
                lacking.insert(0, error)
        if (obstacle := obstacle_in(found, {Flaw.DIGEST_MISMATCH})) is not None:  # (3)
            raise obstacle
        if lacking:  # (4)
            raise lacking[0]
        if found.strangers:
            there = "1 signature is" if found.strangers == 1 else f"{found.strangers} signatures are"
            raise UntrustedSignatureError(f"{there} there, but by nobody whom a trust store vouches for")
        raise UnsignedError("no referrer holds a signature of Notation")  # (5)
