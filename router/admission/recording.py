"""How a decision becomes an event that is durable before the reply leaves, and how one is corrected.

Rules:
(1) An event is made from the decision and what was asked; if its parts can't be read, a smaller one without them. It is
    made once: whoever hears of it hears the same bytes under the same id, whether told first or by the outbox.
(2) Routes name the destinations; if the routes themselves fail, everybody is told.
(3) `store` never raises: an event that the outbox does not take, for whatever cause, stands whole in the log and is
    counted. It takes no longer than what is kept back for it of the call's timeout. Nor does counting.
(4) The log gets its line per decision from whoever keeps events (`router.assembly.decision_log`).

When somebody may have heard another decision than the one that holds:
(5) What is told for a receipt says `decision.is_attempt`. Its hearers are all who were asked, since an attempt that was
    cut may have arrived.
(6) Whatever is told afterwards about the same request is another event, with an id of its own that follows from the
    first one's, and `corrects` it. It goes to everybody who has heard that one or may hear it, whatever routes say, and
    besides to those whom the routes name for it: they have not heard of that decision, nor of the request.
(7) An admission that became a refusal because its event was not durable in time is withdrawn from the outbox where
    nobody can have heard of it; then the refusal is told in its place, under its id. Else it is corrected.
(8) A correction that the outbox does not take is told at once to those who heard the attempt, besides standing in the
    log: they were there a moment ago.
(9) Whoever goes away before the answer makes an event `unanswered`, with an id of its own always, since the API server
    may send the same call again; it corrects what was told, as above.
What is not done: a crash between telling first and storing leaves hearers of an attempt without a correction; the API
server was given no answer then. Nothing that was only watched is ever corrected: it is admitted, stored or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import ParamSpec

from msgspec import structs

from router.admission import subject
from router.admission.draft import Draft
from router.admission.observer import AdmissionObserver
from router.admission.request_context import GateRules, RequestContext
from router.admission.unreadable import UnreadableGroup
from router.admission.workloads import Workload
from router.decision import Grant
from router.errors import OutboxError
from router.events import (
    CloudEvent,
    DecisionParts,
    NoticeEvent,
    as_json,
    decision_event,
    decode,
    encode,
    unreadable_event,
)
from router.outbox import Intake, NewEvent
from router.outbox.posting import Later, PostEvent, StoredListener, posting
from router.routing import Routed
from router.telemetry.going_on import nothing, or_else
from router.telemetry.logs import logger, write_event
from router.verdict import RequestOutcome, Severity

log = logger()
P = ParamSpec("P")

PATIENCE = 10.0
"""Seconds that storing an event may take for which no answer waits."""
HEARING = 5.0
"""Seconds that those who heard an attempt may take to hear what corrects it."""


class EventRecorder:
    """Makes events and has them stored."""

    def __init__(
        self,
        outbox: Intake,
        observer: AdmissionObserver,
        *,
        post: PostEvent | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`post` posts events to the same outbox, where it has a way of its own."""
        self._outbox = outbox
        self._post = posting(outbox) if post is None else post
        self._observer = observer
        self._now = now

    async def tell_first(self, asked: RequestContext, draft: Draft) -> tuple[NewEvent | None, Sequence[str]]:
        """Tell those of whom a receipt is waited for; the event as it stands then, and who gave none in time.

        The event is None where the routes name nobody of them.
        """
        event = self._new(asked, draft, is_attempt=True)
        wanted = [name for name in event.destinations if name in asked.rules.must_deliver]
        if not wanted:
            return None, ()
        asked.told.add(event, wanted)
        asked.told.attempt, asked.told.hearers = event, tuple(wanted)
        given = await asked.rules.receipts(event.body, event.id, wanted, asked.times.deadline)
        return replace(event, delivered_to=tuple(given)), [name for name in wanted if name not in given]

    def post(self, asked: RequestContext, draft: Draft, told: StoredListener) -> NewEvent:
        """Have the event stored without waiting; whoever is told that it takes longer goes on by `store`."""
        event = self._new(asked, draft)
        asked.told.add(event, event.destinations)
        self._post(event, told)
        return event

    def stored(self, draft: Draft) -> None:
        """A posted event is durable: count it, and its decision."""
        self._counted(self._observer.stored)
        self.count(draft)

    async def store(
        self, asked: RequestContext, draft: Draft, first: NewEvent | None = None, appending: Later | None = None
    ) -> bool:
        """Whether the event is durable now; if not, the whole of it is in the log, unless it does not hold then.

        `first` is the event if it was told already, or posted; `appending` what was said of it then.
        """
        needs_outbox = needs_event(asked, draft)
        is_awaited = draft.decision.outcome is not RequestOutcome.UNANSWERED
        until = asked.times.store_by if is_awaited else asyncio.get_running_loop().time() + PATIENCE
        return await self._store(asked, draft, first, until, is_logged=not needs_outbox, appending=appending)

    async def take_back(self, asked: RequestContext, draft: Draft) -> None:
        """Tell this decision in place of the one whose event was not durable in time, rule (7)."""
        told, until = asked.told, asyncio.get_running_loop().time() + PATIENCE
        if told.last is not None and not told.hearers and await self._is_withdrawn(told.last.id, until):
            told.take_back()
        is_stored = await self._store(asked, draft, None, until, is_logged=True)
        if not is_stored and told.is_corrected:
            await self.tell_hearers(asked)

    async def tell_hearers(self, asked: RequestContext) -> None:
        """Tell those who heard an attempt of what corrects it, rule (8)."""
        told = asked.told
        if told.last is not None:
            until = asyncio.get_running_loop().time() + HEARING
            await asked.rules.receipts(told.last.body, told.last.id, told.hearers, until)

    async def _is_withdrawn(self, event_id: str, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                return event_id in await self._outbox.withdraw([event_id])
        except Exception as error:  # noqa: BLE001 - the refusal has left: nobody would be told of it; so it corrects
            log.warning("event_not_withdrawn", event_id=event_id, **_cause(error))
            return False

    async def _store(
        self,
        asked: RequestContext,
        draft: Draft,
        first: NewEvent | None,
        until: float,
        *,
        is_logged: bool,
        appending: Later | None = None,
    ) -> bool:
        new = first
        try:
            new = new or self._new(asked, draft)
            asked.told.add(new, new.destinations)
            async with asyncio.timeout_at(until):
                await (self._outbox.append(new) if appending is None else appending())
        except Exception as error:  # noqa: BLE001 - (3): what is neither stored nor in the log is lost
            if is_logged or new is None:
                bare = {"uid": asked.request.uid, "decision": asdict(draft.decision)}
                self._not_stored(error, new.id if new else asked.request.uid, decode(new.body) if new else bare)
            return False
        self._counted(self._observer.stored)
        return True

    def _new(self, asked: RequestContext, draft: Draft, *, is_attempt: bool = False) -> NewEvent:
        event, parts = self._event(asked, draft, is_attempt=is_attempt)
        routed, to = _who(asked.rules, event), asked.told.to
        if to:
            routed = Routed(tuple(dict.fromkeys((*to, *routed.destinations))), routed.incidents)
        glass = draft.decision.glass
        grant = glass.grant if glass is not None and draft.has_grant else None
        return _to_store(event, encode(event, parts), self._now(), routed, grant)

    async def store_unreadable(self, rules: GateRules, bodies: UnreadableGroup) -> None:
        """Have the event about bodies that are no review stored, or whole in the log."""
        event = unreadable_event(
            rules.origin,
            {
                "cause": bodies.cause,
                "count": bodies.count,
                "first_peer": bodies.first_peer,
                "first_sha256": bodies.first_sha256,
            },
            bodies.problem,
            at=self._now(),
        )
        await self._store_other(_to_store(event, encode(event), self._now(), _who(rules, event)), event)

    async def store_notice(self, rules: GateRules, event: NoticeEvent) -> None:
        """Have a notice stored, or whole in the log, where the routes tell anybody of Gatecrier itself."""
        if told := rules.routes.of_gatecrier(event["data"], None):
            severity = Severity(event["data"]["notice"]["severity"])
            await self._store_other(NewEvent(event["id"], as_json(event), self._now(), told, severity=severity), event)

    async def _store_other(self, new: NewEvent, event: CloudEvent | NoticeEvent) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._outbox.append(new)
        except Exception as error:  # noqa: BLE001 - as an event of a request: else it is lost
            self._not_stored(error, new.id, event)
        else:
            self._counted(self._observer.stored)

    def count(self, draft: Draft) -> None:
        """Count the decision; never fails, since the answer is made by now."""
        decision = draft.decision
        self._counted(self._observer.decided, decision.outcome, decision.mode, draft.verdicts)
        for override in draft.overrides:
            self._counted(self._observer.let_in, override)

    def _counted(self, count: Callable[P, None], *facts: P.args, **more: P.kwargs) -> None:
        """Count; the decision is stored by now, and the gate's boundary would make another one of it."""
        or_else(partial(count, *facts, **more), nothing, "decision_not_counted")

    def _not_stored(self, error: Exception, event_id: str, told_instead: Mapping[str, object]) -> None:
        self._counted(self._observer.unstored)
        log.error("event_not_stored", event_id=event_id, **_cause(error))
        write_event(event_id, told_instead)

    def _event(self, asked: RequestContext, draft: Draft, *, is_attempt: bool) -> tuple[CloudEvent, DecisionParts]:
        """The event, and what it was made of, rule (1): else it would only stand in the log, delivered to nobody."""

        def smaller() -> tuple[CloudEvent, DecisionParts]:
            bare = structs.replace(asked, workload=Workload())
            return self._event_about(bare, Draft(draft.decision, ()), is_attempt=is_attempt)

        whole = partial(self._event_about, asked, draft, is_attempt=is_attempt)
        return or_else(whole, smaller, "event_incomplete", uid=asked.request.uid)

    def _event_about(
        self, asked: RequestContext, draft: Draft, *, is_attempt: bool
    ) -> tuple[CloudEvent, DecisionParts]:
        before = asked.told.last
        event = decision_event(
            asked.rules.origin,
            subject.request_data(asked),
            subject.workload_data(asked),
            draft.parts,
            at=self._now(),
            gate_milliseconds=(time.perf_counter() - asked.began) * 1000,
            corrects=None if before is None else before.id,
            is_attempt=is_attempt,
        )
        return event, draft.parts


def needs_event(asked: RequestContext, draft: Draft) -> bool:
    """Whether it is an admission only when its event is durable."""
    return asked.rules.outbox_required and _is_held_to_it(asked, draft)


def needs_receipts(asked: RequestContext, draft: Draft) -> bool:
    """Whether somebody must be told before the answer leaves."""
    return bool(asked.rules.must_deliver) and _is_held_to_it(asked, draft)


def _is_held_to_it(asked: RequestContext, draft: Draft) -> bool:
    """Whether an admission can still become a refusal."""
    return asked.blocks and draft.is_admission and not draft.is_only_watched


def _cause(error: Exception) -> dict[str, object]:
    """Why the outbox did not do something, in a line of the log; a mistake of ours with its traceback."""
    is_expected = isinstance(error, OutboxError | TimeoutError)
    return {"cause": str(error) or type(error).__name__} | ({} if is_expected else {"exc_info": error})


def _to_store(event: CloudEvent, body: bytes, at: float, routed: Routed, grant: Grant | None = None) -> NewEvent:
    severity = Severity(event["data"]["decision"]["severity"])
    corrected = event["data"].get("corrects", "")
    return NewEvent(
        event["id"],
        body,
        at,
        routed.destinations,
        severity=severity,
        incident_routes=routed.stored,
        grant=grant,
        corrects=corrected,
    )


def _who(rules: GateRules, event: CloudEvent) -> Routed:
    """Who is told, rule (2): else it would only stand in the log, delivered to nobody."""
    data, everybody = event["data"], partial(Routed, rules.destinations)
    routed = partial(rules.routes.routed, data, data["decision"]["severity"])
    return or_else(routed, everybody, "routing_failed", event_id=event["id"])
