"""Asks whether the certificates of an endorsement still stand, and says what follows of it for the findings.

Revoked is a lack of that signature. What is not known is a gap, and nobody's doing that could be tolerated. What counts
does so until the first answer runs out.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

from router.errors import UntrustedSignatureError, UnverifiableError
from router.reasons import Distrust, Obstacle
from router.verification.scheme import Findings, PendingEndorsement
from router.verification.standing import CertificateStanding, Revoked, Unknown


async def settle_next(found: Findings, deadline: float) -> None:
    """Settle the first endorsement that waits, by the deadline in the time of the running loop."""
    pending = found.pending.pop(0)
    standings = await _standings(pending, deadline)
    by = f'signed by "{pending.endorsement.signer.name}" with a certificate'
    if revoked := next((one for one in standings if isinstance(one, Revoked)), None):
        detail = f"{by} that does not stand any more: {revoked.detail}"
        found.lacking.append(UntrustedSignatureError(detail, reason=Distrust.REVOKED))
    elif unknown := next((one for one in standings if isinstance(one, Unknown)), None):
        detail = f"{by} of which is not known if it was revoked: {unknown.detail}"
        found.gaps.append(UnverifiableError(detail, reason=Obstacle.REVOCATION_UNKNOWN))
    else:
        ends = [pending.endorsement.valid_until, *(one.until for one in standings)]
        until = min((end for end in ends if end is not None), default=math.inf)
        valid_until = None if math.isinf(until) else until
        found.endorse(replace(pending.endorsement, valid_until=valid_until))


async def _standings(pending: PendingEndorsement, deadline: float) -> Sequence[CertificateStanding]:
    """Of all its certificates, at once."""
    if (ask := pending.ask) is None:
        return (Unknown(0.0, "nobody can be asked here"),)
    return await asyncio.gather(*(ask(one, deadline) for one in pending.issued))
