"""Break-glass: a request that breaks it, and what controllers make of the object that was let in so.

Order:
(1) A request that adds or changes the annotation breaks the glass if its user may and says why (`router.policy`). Else
    it changes nothing, and says so; but for controllers, which copy annotations and have asked for nothing.
(2) It is judged whole, also where nothing else is news of it, and let in with its true verdicts. A dry run gets the
    same answer.
(3) The grant is a part of the event: they are stored together, so that it is in force before the reply leaves, and is
    taken back with the event. Where the event is not stored, there is no grant, and the reply says so.
(4) A controller's object that fails asks whoever keeps grants, before it is decided: nobody has a copy that could be
    late. What can't be asked in time grants nothing. Only what would be refused asks.

Not let in so: an object that can't be read, and what is refused because its event could not be stored or delivered
where that is required. Nobody should break a glass unheard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import structs

from router.admission.draft import Draft
from router.admission.request_context import GateRules, RequestContext
from router.admission.review import AdmissionRequest
from router.admission.workloads import Workload
from router.decision import Glass, Grant, decide, granted_images
from router.events import event_id
from router.policy import BreakGlassClaim
from router.routing import is_believed
from router.verdict import Skip

PATIENCE = 1.0
"""Seconds that grants may take to be told, at most."""


def claimed(rules: GateRules, request: AdmissionRequest, workload: Workload) -> tuple[Workload, BreakGlassClaim | None]:
    """Whether this request breaks the glass, and what of it is to be judged and told then."""
    if workload.break_glass is None:
        return workload, None
    is_unchanged = workload.skip is Skip.UNCHANGED
    claim = rules.break_glass.claim(request.user, request.groups, workload.break_glass)
    if isinstance(claim, BreakGlassClaim):
        return structs.replace(workload, skip=None), claim
    places = () if is_unchanged else workload.places
    is_copied = workload.owner is not None and is_believed(request.user, rules.controllers)
    notices = workload.notices if is_copied else (*workload.notices, claim)
    return structs.replace(workload, places=places, notices=notices), None


async def broken(asked: RequestContext, draft: Draft) -> Draft:
    """The same decision, where the glass was broken: the request is let in, and why is told."""
    if not may_be_broken(asked, draft):
        return draft
    if asked.claim is not None:
        return _let_in(asked, draft, Glass(_grant(asked, draft, asked.claim), is_new=True))
    failing = [finding for finding in draft.findings if finding.is_failing]
    now = asked.rules.now()
    for grant in await _grants(asked):
        if grant.namespace == asked.request.namespace and grant.covers(failing, now):
            return _let_in(asked, draft, Glass(grant, is_new=False))
    return draft


def may_be_broken(asked: RequestContext, draft: Draft) -> bool:
    """Whether the glass is broken, or may have been for this object before: whoever keeps grants knows."""
    if asked.claim is not None:
        return True
    if not asked.rules.break_glass.annotation or asked.workload.owner is None:
        return False
    return draft.is_failing and is_believed(asked.request.user, asked.rules.controllers)


def _grant(asked: RequestContext, draft: Draft, claim: BreakGlassClaim) -> Grant:
    return Grant(
        event_id(asked.rules.origin.cluster, asked.request.uid),
        asked.request.namespace,
        granted_images(draft.findings),
        claim.by,
        claim.justification,
        asked.rules.now() + claim.lasts,
    )


def _let_in(asked: RequestContext, draft: Draft, glass: Glass) -> Draft:
    decision = decide(
        draft.findings, asked.mode, never_block=asked.never_block, notices=asked.workload.notices, glass=glass
    )
    return Draft(decision, draft.findings)


async def _grants(asked: RequestContext) -> Sequence[Grant]:
    now = asyncio.get_running_loop().time()
    # Judging may have taken all of its time; half of what is kept back for storing the event stays for that.
    until = min(now + PATIENCE, max(asked.times.deadline, now + (asked.times.store_by - now) / 2))
    return await asked.rules.grants(asked.request.namespace, until)
