"""What is decided about a request that was read, and the reply that tells it; in the order that the gate's rules say.

Nothing is told here, and nothing stored: `router.admission.gate` does both.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.admission import breaking, exempting, pinning, review
from router.admission.decisions import Alike
from router.admission.draft import Draft
from router.admission.judging import ObjectFindings
from router.admission.request_context import RequestContext
from router.decision import Failure, Finding, decide
from router.events import corrected_id, event_id
from router.verdict import RequestOutcome
from router.verification import Asker


async def decided(asked: RequestContext) -> Draft:
    """What is decided about a request that brings images."""
    if asked.problem:
        return failed((), asked, Failure.unreadable(asked.problem))
    return await breaking.broken(asked, await _judged(asked))


async def _judged(asked: RequestContext) -> Draft:
    """What follows from its images: as it was decided before, while that holds."""
    if (known_before := remembered(asked)) is not None:
        return known_before
    workload = asked.workload
    known = await found(asked, is_recent_enough=not asked.blocks)
    findings = await settled(asked, known.findings)
    decision = decide(findings, asked.mode, never_block=asked.never_block, notices=workload.notices)
    draft = Draft(decision, findings)
    if known.lasting is not None:
        asked.rules.decisions.put(_alike(asked), draft, known.lasting.both(exempting.lasting(findings)), workload.cost)
    return draft


def remembered(asked: RequestContext) -> Draft | None:
    """What was decided before about a request that is decided alike, while that holds."""
    return asked.rules.decisions.get(_alike(asked))


def _alike(asked: RequestContext) -> Alike:
    workload, namespace = asked.workload, asked.request.namespace
    exempt_in = namespace if asked.rules.exemptions.concern(namespace) else None
    return Alike(workload.places, workload.notices, asked.mode, asked.never_block, exempt_in)


async def settled(asked: RequestContext, findings: Sequence[Finding]) -> list[Finding]:
    """What was found out about the images, and what else holds for them: pins that are missing, and exemptions."""
    return await exempting.exempt(asked, await pinning.held_against(asked, findings))


async def found(asked: RequestContext, *, is_recent_enough: bool = False) -> ObjectFindings:
    """What is found out about its images."""
    places, asker = asked.workload.places, Asker(asked.request.namespace, asked.request.dry_run)
    came, until = asked.times.came, asked.judging_ends
    return await asked.rules.judging.findings(places, came, until, asker, is_recent_enough=is_recent_enough)


def reply(asked: RequestContext, draft: Draft, *, corrects: str | None = None) -> bytes:
    """The reply that tells this decision, whose event corrects the one of this id, if any."""
    decision, uid, cluster = draft.decision, asked.request.uid, asked.rules.origin.cluster
    told_as = event_id(cluster, uid) if corrects is None else corrected_id(cluster, corrects)
    return review.reply(
        uid,
        allowed=decision.outcome is not RequestOutcome.REJECTED,
        message=decision.refusal,
        warnings=decision.warnings,
        audit={**draft.audit, "event-id": told_as},
    )


def failed(findings: Sequence[Finding], asked: RequestContext, failure: Failure) -> Draft:
    """What is decided where something failed that has to do with no image."""
    return Draft(decide(findings, asked.mode, never_block=asked.never_block, failure=failure), findings)
