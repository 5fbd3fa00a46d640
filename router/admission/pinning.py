"""What `/mutate` pins, and what `/validate` finds not pinned: one rule for both.

A tag is to be pinned where it is written at a pinnable place without a digest of its own, was proven, a refusal would
be in force (namespace and rule enforce), and the same rule speaks for the pinned name. With `pin_digests`, what should
have been pinned before `/validate` saw it fails there: else whoever left `/mutate` out, or came after it, would run
what a tag means later. A thousand images are looked at in slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from router.admission import patches
from router.admission.asked import Asked
from router.admission.judging import Pause
from router.admission.places import Place
from router.decision import Finding
from router.reasons import Denial
from router.verdict import Mode, Verdict


async def pins(asked: Asked, findings: Sequence[Finding]) -> bytes | None:
    """The patch that pins what is to be pinned, or None."""
    proven, pause = [], Pause()
    for place, finding in zip(asked.workload.places, findings, strict=True):
        if finding.digest is not None and _is_to_be_pinned(asked, place, finding):
            proven.append((place, finding.digest))
        await pause.if_due()
    return patches.pin(proven)


async def held_against(asked: Asked, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those failing that should have been pinned."""
    if not (asked.rules.pin_digests and asked.blocks):
        return list(findings)
    held, pause = [], Pause()
    for place, finding in zip(asked.workload.places, findings, strict=True):
        held.append(_not_pinned(finding) if _is_to_be_pinned(asked, place, finding) else finding)
        await pause.if_due()
    return held


def _is_to_be_pinned(asked: Asked, place: Place, finding: Finding) -> bool:
    return (
        place.is_pinnable
        and "@" not in place.image
        and finding.verdict is Verdict.VERIFIED
        and finding.rule_mode is Mode.ENFORCE
        and finding.digest is not None
        and asked.rules.judging.speaks_for_pinned(place.image, finding.digest)
    )


def _not_pinned(finding: Finding) -> Finding:
    return replace(
        finding,
        verdict=Verdict.DENIED,
        reason=Denial.NOT_PINNED,
        detail=f"it is proven as {finding.digest}, but a tag may mean something else when it is pulled",
    )
