"""What the material beside a signature proves: who has signed, when, and that it is there for everybody to see. Pure.

Source: sigstore client specification, "Verification"; where it leaves a choice, the stricter one.

Steps for a signature by a certificate that names somebody who is wanted (others cost no signature check at all):
(1) The certificate may sign code (`certificates`).
(2) An authority of the trust root has issued it, at the times that are proven in (6).
(3) Its key has signed the content.
(4) A certificate log of the trust root has promised to hold it, where that is asked.
(5) Log entries and timestamps: what comes from a log or authority of the trust root must hold in every respect, even
    where none is asked for; what comes from others says nothing. Where one is asked for, one must hold.
(6) At least one time is proven, by a timestamp or by what a log has promised, and *every* proven time lies within the
    validity of the certificate's path, whoever proved it.
(7) A log whose word counts only until some day says nothing without a proven time within that.

For a signature by a pinned key only (5) and (7) hold, and only where they are asked for: a key needs no time.

What is missing is `untrusted`, since a sound signature may lack it; what contradicts itself is `invalid`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from router.errors import InvalidSignatureError, UntrustedSignatureError
from router.reasons import Distrust, EvidenceFlaw
from router.steps import Steps
from router.verification.keys import SignedBytes
from router.verification.pki.certificates import Certificate, Period
from router.verification.sigstore.certificate_logs import is_logged
from router.verification.sigstore.certificates import CODE_SIGNING, expect_leaf_for, read_certificate
from router.verification.sigstore.log_bodies import Logged
from router.verification.sigstore.log_entries import ProvenEntry, proven_entry
from router.verification.sigstore.material import Material
from router.verification.sigstore.timestamps import proven_time
from router.verification.sigstore.trusted_root import TrustedRoot


@dataclass(frozen=True, slots=True)
class Requirements:
    """What must stand beside a signature."""

    log: bool
    """An entry of a transparency log."""
    timestamp: bool
    """A timestamp of an authority."""
    sct: bool
    """A certificate log's promise, where a certificate has signed."""


@dataclass(frozen=True, slots=True)
class SignatureClaim:
    """One signature, and what it is over."""

    signature: bytes
    content: bytes
    payload: bytes | None = None
    """The payload of a DSSE envelope; None where a payload was signed as it is."""
    stamped: bytes | None = None
    """What a timestamp is over, where that is not the signature."""

    def as_logged(self, verifier: bytes, *, is_certificate: bool) -> Logged:
        """What a log must hold about it."""
        return Logged(self.signature, self.content, self.payload, verifier, is_certificate)


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What was proven of a signature by others than its signer."""

    times: tuple[float, ...] = ()
    """When it was there, in Unix time in seconds."""
    entries: tuple[ProvenEntry, ...] = ()


NO_WITNESSES = Witnesses()
"""Nobody else says anything."""


def witnessed(
    claim: SignatureClaim, logged: Logged, material: Material, root: TrustedRoot, asked: Requirements
) -> Steps[Witnesses]:
    """What logs and timestamp authorities say of a signature (5, 7).

    Raises:
        InvalidSignatureError: One that is trusted says something else.
        UntrustedSignatureError: None that is trusted says what is asked for (not_logged, not_timestamped).
    """
    entries: list[ProvenEntry] = []
    stamps: list[float] = []
    for entry in material.entries:
        yield
        proven = yield from proven_entry(entry, root.logs, logged, needs_proof=material.needs_proof)
        if proven is not None:
            entries.append(proven)
    for stamp in material.timestamps:
        yield
        over = claim.signature if claim.stamped is None else claim.stamped
        if (time := proven_time(stamp, over, root.timestamp_authorities)) is not None:
            stamps.append(time)
    times = (*stamps, *(entry.time for entry in entries if entry.time is not None))
    entries = [entry for entry in entries if _counts(entry.log.period, times)]
    if asked.log and not entries:
        raise UntrustedSignatureError("a signature is in no log that is trusted", reason=Distrust.NOT_LOGGED)
    if asked.timestamp and not stamps:
        raise UntrustedSignatureError("a signature has no timestamp that is trusted", reason=Distrust.NOT_TIMESTAMPED)
    return Witnesses(times, tuple(entries))


def certified(
    claim: SignatureClaim, leaf: Certificate, material: Material, root: TrustedRoot, asked: Requirements
) -> Steps[tuple[SignedBytes, Witnesses]]:
    """What was signed by the certificate, and what proves that; who that is says `identities`.

    Raises:
        InvalidSignatureError: The evidence contradicts itself.
        UntrustedSignatureError: It proves too little (untrusted_certificate, sct_missing, time_not_proven, and those
            of `witnessed`).
    """
    expect_leaf_for(leaf, CODE_SIGNING)  # (1)
    yield
    paths = _paths(leaf, material, root)  # (2)
    if not paths:
        raise UntrustedSignatureError(
            "a signature is by a certificate that no trusted authority has issued",
            reason=Distrust.UNTRUSTED_CERTIFICATE,
        )
    yield
    if (signed := SignedBytes.opened(leaf.key, claim.content, claim.signature)) is None:  # (3)
        raise InvalidSignatureError(
            "a certificate's key has not signed what it came with", reason=EvidenceFlaw.SIGNATURE
        )
    yield
    if asked.sct:  # (4)
        paths = [(issuer, period) for issuer, period in paths if is_logged(leaf, issuer, root.certificate_logs)]
        if not paths:
            raise UntrustedSignatureError(
                "a signature is by a certificate that no trusted certificate log has promised to hold",
                reason=Distrust.SCT_MISSING,
            )
    logged = claim.as_logged(leaf.der, is_certificate=True)
    witnesses = yield from witnessed(claim, logged, material, root, asked)  # (5) (7)
    _expect_in_time(witnesses.times, [period for _, period in paths])  # (6)
    return signed, witnesses


def _paths(leaf: Certificate, material: Material, root: TrustedRoot) -> list[tuple[Certificate, Period]]:
    between = [read_certificate(der) for der in material.certificates[1:]]
    found = [authority.path_to(leaf, between) for authority in root.authorities]
    return [path for path in found if path is not None]


def _expect_in_time(times: Sequence[float], periods: Sequence[Period]) -> None:
    if not times:
        raise UntrustedSignatureError(
            "nothing that is trusted proves when a certificate was used", reason=Distrust.TIME_NOT_PROVEN
        )
    if not any(all(period.covers(time) for time in times) for period in periods):
        raise InvalidSignatureError("a certificate was used outside its validity", reason=EvidenceFlaw.TIME)


def _counts(period: Period, times: Sequence[float]) -> bool:
    return period.end == math.inf or any(map(period.covers, times))
