"""An image is proven when enough of the pinned keys have signed its digest, in either format. Pure.

The first of these that holds is the answer:
(1) Enough distinct trusted keys have signed: `Verified`. What else lies there, broken or not, takes nothing away, or
    whoever can push could take any image out of service by pushing a broken signature beside the good one.
(2) A part of the evidence could not be fetched: that error, `unverifiable`. The missing part might have been the
    proof, so neither "unsigned" nor "invalid" would be true. Of several the one that a rule tolerates least: what one
    part was refused for is not excused by another that the registry never answered.
(3) A trusted key has signed another digest or something that is no signature, or evidence is broken, missing or
    beyond the limits: `invalid`. Claims of trusted keys are told before broken evidence, which anybody can push.
(4) There are sound signatures: `untrusted`; by nobody we trust, by too few, or not by those who are required.
(5) There are attestations at most: `unsigned`. An attestation is no signature, whoever made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from router.errors import (
    InvalidSignatureError,
    NotVerifiedError,
    TimedOutError,
    UnsignedError,
    UntrustedSignatureError,
    UnverifiableError,
)
from router.images import Digest
from router.verification.cosign import bundles, legacy
from router.verification.cosign.findings import Finding, TrustedKey, Unendorsed
from router.verification.evidence import Evidence, Flaw
from router.verification.scheme import Demands, Endorsement, Verified

_CLAIMED = frozenset({Flaw.DIGEST_MISMATCH, Flaw.CRITICAL_TYPE, Flaw.STATEMENT_TYPE})
_CHECKS_PER_KEY = 4
"""Two hashes, and each again for a raw signature."""
_T = TypeVar("_T")


@dataclass(slots=True)
class _Tally:
    """What all pieces of evidence together amount to."""

    endorsements: list[Endorsement] = field(default_factory=list)
    strangers: int = 0
    attestations: int = 0
    defects: list[InvalidSignatureError] = field(default_factory=list)

    def examine(
        self,
        examiner: Callable[[_T, tuple[TrustedKey, ...], Digest], Finding],
        piece: _T,
        keys: tuple[TrustedKey, ...],
        digest: Digest,
    ) -> None:
        try:
            found = examiner(piece, keys, digest)
        except InvalidSignatureError as error:
            self.defects.append(error)
            return
        match found:
            case Endorsement():
                self.endorsements.append(found)
            case Unendorsed.STRANGER:
                self.strangers += 1
            case Unendorsed.ATTESTATION:
                self.attestations += 1


class CosignKeyScheme:
    """Signatures by pinned keys. Fails closed: without keys it can't be made."""

    def __init__(self, keys: Sequence[TrustedKey]) -> None:
        if not keys:
            raise ValueError("without keys nothing can be proven, and nothing may pass")
        self._keys = tuple(keys)
        trusted = "\n".join(f"{name} {key.fingerprint}" for name, key in self._keys)
        self._snapshot = hashlib.sha256(trusted.encode()).hexdigest()

    @property
    def needs_evidence(self) -> bool:
        """Signatures, in whichever format: that is probed, not configured."""
        return True

    @property
    def snapshot(self) -> str:
        """Names and fingerprints of the keys."""
        return self._snapshot

    @property
    def effort(self) -> int:
        """Every key may be tried, in every way that it may have signed."""
        return len(self._keys) * _CHECKS_PER_KEY

    def prove(self, evidence: Evidence, digest: Digest | None, demands: Demands) -> Verified:
        """Say whether enough of the keys have signed this digest.

        Raises:
            UnverifiableError: They might have, but a part of the evidence could not be fetched.
            InvalidSignatureError: A signature is broken or about something else.
            UntrustedSignatureError: Others have, or too few.
            UnsignedError: Nobody has.
        """
        if digest is None:
            raise ValueError("a signature is about a digest")
        tally = _Tally(attestations=evidence.attestations)
        for signing in evidence.simple_signings:
            tally.examine(legacy.examine, signing, self._keys, digest)
        for bundle in evidence.bundles:
            tally.examine(bundles.examine, bundle, self._keys, digest)
        tally.defects.extend(evidence.defects)
        lacking: UntrustedSignatureError | None = None
        if tally.endorsements:
            try:
                return Verified(digest, tuple(tally.endorsements), demands)  # (1)
            except UntrustedSignatureError as error:
                lacking = error
        raise self._refusal(evidence, tally, lacking)

    def _refusal(self, evidence: Evidence, tally: _Tally, lacking: UntrustedSignatureError | None) -> NotVerifiedError:
        if evidence.gaps:  # (2)
            return min(evidence.gaps, key=_excuse)
        if tally.defects:  # (3)
            return min(tally.defects, key=lambda defect: defect.reason not in _CLAIMED)
        if lacking is not None:  # (4)
            return lacking
        if tally.strangers:
            found = "1 signature is" if tally.strangers == 1 else f"{tally.strangers} signatures are"
            return UntrustedSignatureError(f"{found} there, but {self._nobody()}")
        if tally.attestations:  # (5)
            return UnsignedError(
                f"neither a .sig tag nor a referrer holds a signature; {tally.attestations} "
                f"{'attestation is' if tally.attestations == 1 else 'attestations are'} there, which are no signatures"
            )
        return UnsignedError("neither a .sig tag nor a referrer holds a signature")

    def _nobody(self) -> str:
        names = ", ".join(f'"{name}"' for name, _ in self._keys)
        return f"not by key {names}" if len(self._keys) == 1 else f"by none of the keys {names}"


def _excuse(gap: UnverifiableError) -> int:
    if isinstance(gap, TimedOutError):
        return 1
    return 2 if gap.is_registrys_doing else 0
