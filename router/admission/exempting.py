"""What exemptions let in of what fails: after all else is known of an image, and before anything is decided.

Rules:
(1) Only what fails is exempt: what is proven stays verified, what is tolerated stays tolerated. Also where nothing
    would be refused (`detect`): what is told there is what enforcement would do.
(2) What rests on an exemption holds no longer than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from router.admission.judging import Pause
from router.admission.request_context import RequestContext
from router.decision import Finding
from router.images import parse_reference
from router.policy import Exemptions
from router.verdict import Verdict
from router.verification.lasting import Lasting


async def exempt(asked: RequestContext, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those exempt that an exemption in force lets in."""
    exemptions, namespace = asked.rules.exemptions, asked.request.namespace
    if not exemptions.concern(namespace):
        return list(findings)
    found, pause = [], Pause()
    for finding in findings:
        found.append(exempt_in(exemptions, namespace, finding))
        await pause.if_due()
    return found


def exempt_in(exemptions: Exemptions, namespace: str, finding: Finding) -> Finding:
    """The finding, exempt where an exemption in force lets it in there."""
    if not finding.is_failing or finding.reference is None:
        return finding
    is_invalid = finding.verdict is Verdict.INVALID
    by = exemptions.find(parse_reference(finding.reference), namespace, is_invalid=is_invalid)
    return finding if by is None else finding.exempt(by)


def lasting(findings: Sequence[Finding]) -> Lasting:
    """For how long exemptions let these in."""
    ends = (finding.exempted.by.until for finding in findings if finding.exempted is not None)
    return Lasting(valid_until=min(ends, default=math.inf))
