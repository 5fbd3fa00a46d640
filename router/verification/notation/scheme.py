"""An image is proven when enough of those whom the trust stores vouch for have signed its digest. Pure.

A signer is the subject of a certificate with its issuer, whatever key it has this time, and is called by the store that
vouches for it (`required`), or by its subject, so that two subjects of one store are two. What findings amount to is in
`router.verification.proving`; at level `skip` every image passes, `exempt`, and nothing is looked at.
"""

from __future__ import annotations

from router.errors import InvalidSignatureError, UntrustedSignatureError
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.evidence import Evidence, EvidenceFamily
from router.verification.notation.proof import examine
from router.verification.notation.trust import NotationPolicy
from router.verification.proving import SchemeWords, proof_in
from router.verification.scheme import Demands, Exempt, Findings, PendingEndorsement, Verified
from router.verification.sought import Sought, SoughtPlace
from router.verification.standing import AskStanding
from router.verification.trust import Trust

_REFERRERS = Sought((SoughtPlace.REFERRERS_API, SoughtPlace.FALLBACK_TAG), family=EvidenceFamily.NOTATION)
_NOWHERE = Sought(())
_WORDS = SchemeWords(
    claims=frozenset({EvidenceFlaw.DIGEST_MISMATCH}),
    nobody="by nobody whom a trust store vouches for",
    absent="no referrer holds a signature of Notation",
)


class NotationScheme:
    """Signatures of Notation, by trust stores, identities and a level."""

    def __init__(self, trust: Trust[NotationPolicy], ask_standing: AskStanding | None = None) -> None:
        """Trust these; `ask_standing` asks whether certificates still stand, where the policy asks for it."""
        self.trust = trust
        self._ask_standing = ask_standing

    @property
    def sought(self) -> Sought:
        """Envelopes behind the referrers of the image; nowhere where every image passes."""
        return _REFERRERS if self.needs_evidence else _NOWHERE

    @property
    def needs_evidence(self) -> bool:
        """Signatures, unless every image passes."""
        return not self.trust.material.is_skipped

    def examine(self, news: Evidence, found: Findings, trust: Trust[NotationPolicy]) -> Steps[None]:
        """Add what each envelope is to the findings; a step is at most one certificate's check, or a timestamp's."""
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        found.defects.extend(news.defects)
        found.gaps.extend(news.gaps)
        for piece in news.notations:
            try:
                proof = yield from examine(piece, trust.material, found.digest, found.now)
            except InvalidSignatureError as error:
                found.defects.append(error)
            except UntrustedSignatureError as error:
                found.lacking.append(error)
            else:
                if proof is None:
                    found.strangers += 1
                elif proof.asks:
                    found.pending.append(PendingEndorsement(proof.endorsement, proof.asks, self._ask_standing))
                else:
                    found.endorse(proof.endorsement)
            yield

    def prove(self, found: Findings, demands: Demands, trust: Trust[NotationPolicy], now: float) -> Verified | Exempt:
        """Say whether enough of those who are trusted have signed this digest.

        Raises:
            NotVerifiedError: They have not, as `proof_in` says.
        """
        if trust.material.is_skipped:
            return Exempt("the verifier's level is skip: every image passes unseen")
        return proof_in(found, demands, trust, now, _WORDS)
