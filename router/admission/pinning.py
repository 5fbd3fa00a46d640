"""What `/mutate` pins, and what `/validate` finds not pinned: one rule for both.

A tag is to be pinned where it is written at a pinnable place without a digest of its own, was proven, a refusal would
be in force (namespace and rule enforce), and the same rule speaks for the pinned name. With `pin_digests`, what should
have been pinned before `/validate` saw it fails there: else whoever left `/mutate` out, or came after it, would run
what a tag means later. A thousand images are looked at in slices.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.admission import patches
from router.admission.judging import Pause
from router.admission.request_context import RequestContext
from router.decision import Finding
from router.verdict import Verdict


async def pins(asked: RequestContext, findings: Sequence[Finding]) -> bytes | None:
    """The patch that pins what is to be pinned, or None."""
    proven, pause = [], Pause()
    for finding in findings:
        if (digest := _to_be_pinned(asked, finding)) is not None:
            proven.append((finding.place, digest))
        await pause.if_due()
    return patches.pin(proven)


async def held_against(asked: RequestContext, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those failing that should have been pinned."""
    if not (asked.rules.pin_digests and asked.blocks):
        return list(findings)
    held, pause = [], Pause()
    for finding in findings:
        held.append(finding if _to_be_pinned(asked, finding) is None else finding.not_pinned())
        await pause.if_due()
    return held


def _to_be_pinned(asked: RequestContext, finding: Finding) -> str | None:
    """The digest that is to be written behind the tag; None where nothing is."""
    place, digest = finding.place, finding.digest
    is_proven = finding.verdict is Verdict.VERIFIED and finding.is_enforced
    if digest is None or not (place.is_pinnable and "@" not in place.image and is_proven):
        return None
    return digest if asked.rules.judging.speaks_for_pinned(place.image, digest) else None
