"""An image is proven when enough of those who are trusted have signed its digest, in any format. Pure.

What findings amount to is in `router.verification.proving`. Attestations are no signatures, whoever made them: where
nothing else is there, an image is `unsigned`.
"""

from __future__ import annotations

from typing import TypeAlias

from router.errors import InvalidSignatureError, UntrustedSignatureError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.cosign import attestations, bundles, legacy
from router.verification.cosign.findings import CosignFinding, Unendorsed
from router.verification.cosign.signatories import Signatories
from router.verification.evidence import AttestationLayer, Evidence, SigstoreBundle, SimpleSigning
from router.verification.proving import SchemeWords, proof_in
from router.verification.scheme import Demands, Endorsement, Findings, Verified
from router.verification.sought import Sought, SoughtPlace
from router.verification.trust import Trust

_CLAIMED = frozenset({EvidenceFlaw.DIGEST_MISMATCH, EvidenceFlaw.CRITICAL_TYPE, EvidenceFlaw.STATEMENT_TYPE})


_Piece: TypeAlias = SimpleSigning | SigstoreBundle | AttestationLayer


class CosignScheme:
    """Signatures by keys and identities. Fails closed: without any there is no trust that it could be made with."""

    def __init__(self, trust: Trust[Signatories]) -> None:
        self.trust = trust

    @property
    def needs_evidence(self) -> bool:
        """Signatures, in whichever format: that is probed, not configured."""
        return True

    @property
    def sought(self) -> Sought:
        """Bundles about what is wanted, and what cosign put behind a tag before there were bundles."""
        who = self.trust.material
        tag = SoughtPlace.ATT_TAG if who.wants_attestation else SoughtPlace.SIG_TAG
        return Sought((tag, SoughtPlace.REFERRERS_API, SoughtPlace.FALLBACK_TAG), who.predicate_type, who.repository)

    def examine(self, news: Evidence, found: Findings, trust: Trust[Signatories]) -> Steps[None]:
        """Add what each piece is to the findings; a step is at most one key's check of one piece."""
        if found.digest is None:
            raise ValueError("a signature is about a digest")
        found.attestations += news.attestations
        found.defects.extend(news.defects)
        found.gaps.extend(news.gaps)
        pieces: tuple[_Piece, ...] = (*news.simple_signings, *news.bundles, *news.attestation_layers)
        for piece in pieces:
            try:
                finding = yield from _examined(piece, trust.material, found.digest)
            except InvalidSignatureError as error:
                found.defects.append(error)
            except UntrustedSignatureError as error:
                found.lacking.append(error)
            else:
                _add(found, finding)
            yield

    def prove(self, found: Findings, demands: Demands, trust: Trust[Signatories], now: float) -> Verified:
        """Say whether enough of those who are trusted have signed this digest.

        Raises:
            NotVerifiedError: They have not, as `proof_in` says.
        """
        who = trust.material
        return proof_in(found, demands, trust, now, SchemeWords(_CLAIMED, _nobody(who), _absent(found, who)))


def _examined(piece: _Piece, who: Signatories, digest: Digest) -> Steps[CosignFinding]:
    match piece:
        case SimpleSigning():
            return (yield from legacy.examine(piece, who, digest))
        case SigstoreBundle():
            return (yield from bundles.examine(piece, who, digest))
        case AttestationLayer():  # pragma: no branch - the union is closed
            return (yield from attestations.examine(piece, who, digest))


def _add(found: Findings, finding: CosignFinding) -> None:
    match finding:
        case Endorsement():
            found.endorse(finding)
        case Unendorsed.STRANGER:
            found.strangers += 1
        case Unendorsed.ATTESTATION:
            found.attestations += 1


def _absent(found: Findings, who: Signatories) -> str:
    if who.wants_attestation:
        return "neither an .att tag nor a referrer holds an attestation of the type that is wanted"
    nothing = "neither a .sig tag nor a referrer holds a signature"
    if not found.attestations:
        return nothing
    are = "attestation is" if found.attestations == 1 else "attestations are"
    return f"{nothing}; {found.attestations} {are} there, which are no signatures"


def _nobody(who: Signatories) -> str:
    names = ", ".join(f'"{name}"' for name in who.names)
    kind = "key" if not who.identities else "signer" if who.keys else "identity"
    kinds = "identities" if kind == "identity" else f"{kind}s"
    return f"not by {kind} {names}" if len(who.keys) + len(who.identities) == 1 else f"by none of the {kinds} {names}"
