"""How a decision becomes an event that is durable before the reply leaves.

Rules:
(1) An event is made from the decision and what was asked; if its parts can't be read, a smaller one without them.
(2) Routes name the destinations; if the routes themselves fail, everybody is told.
(3) `store` never raises: an event that the outbox does not take, for whatever cause, stands whole in the log and is
    counted. It takes no longer than what is kept back for it of the call's timeout.
(4) One line in the log per decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from router.admission.asked import Asked, GateRules
from router.admission.unreadable import Unreadable
from router.admission.workloads import Workload
from router.decision import Decision, Finding
from router.events import CloudEvent, decision_event, decode, encode, unreadable_event
from router.outbox import NewEvent
from router.telemetry.logs import logger, write_event
from router.telemetry.metrics import Metrics
from router.verdict import Mode, RequestOutcome, Verdict

log = logger()

SHOWN_IMAGES = 20
"""Images in a line of the log."""
ABANDONED = 10.0
"""Seconds that storing the event of an abandoned request may take."""

ObtainReceipts = Callable[[bytes, str, Sequence[str], float], Awaitable[frozenset[str]]]
"""(event body, event id, destinations, deadline in loop time) -> those that gave their receipt."""


class Appending(Protocol):
    """The part of the outbox that is needed here."""

    async def append(self, event: NewEvent) -> object:
        """Store durably. Raises OutboxError."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is about to be told."""

    decision: Decision
    findings: Sequence[Finding]


class Telling:
    """Makes events and has them stored."""

    def __init__(
        self,
        outbox: Appending,
        receipts: ObtainReceipts,
        metrics: Metrics,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._receipts = receipts
        self._metrics = metrics
        self._now = now
        self._decided = {
            (outcome, mode): metrics.requests.labels(outcome.value, mode.value)
            for outcome in RequestOutcome
            for mode in Mode
        }
        self._verdicts = {verdict: metrics.image_verdicts.labels(verdict.value) for verdict in Verdict}

    async def tell_first(self, asked: Asked, draft: Draft) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those who must be told first: (who gave a receipt, who did not) within the deadline."""
        event = self._event(asked, draft)
        wanted = [name for name in _who(asked.rules, event) if name in asked.rules.must_deliver]
        if not wanted:
            return (), ()
        told = await self._receipts(encode(event), event["id"], wanted, asked.deadline)
        return tuple(told), tuple(name for name in wanted if name not in told)

    async def store(self, asked: Asked, draft: Draft, told: Sequence[str]) -> bool:
        """Whether the event is durable now; if not, the whole of it is in the log."""
        uid = asked.request.uid
        event_id, whole = uid, b""
        try:
            event = self._event(asked, draft)
            event_id, whole = event["id"], encode(event)
            new = NewEvent(event_id, whole, self._now(), _who(asked.rules, event), told)
            asked.handed.append(event_id)
            async with asyncio.timeout_at(_patience(asked, draft)):
                await self._outbox.append(new)
        except Exception as error:  # noqa: BLE001 - whatever the cause, what the event tells must be in the log
            bare = {"uid": uid, "decision": asdict(draft.decision)}
            self._not_stored(error, event_id, decode(whole) if whole else bare)
            return False
        self._metrics.events_stored.inc()
        return True

    async def store_unreadable(self, rules: GateRules, bodies: Unreadable) -> None:
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
        try:
            await self._outbox.append(NewEvent(event["id"], encode(event), self._now(), _who(rules, event)))
        except Exception as error:  # noqa: BLE001 - the same
            self._not_stored(error, event["id"], event)
        else:
            self._metrics.events_stored.inc()

    def count(self, asked: Asked, draft: Draft) -> None:
        """Count the decision and write its line in the log; never fails, since the answer is made by now."""
        try:
            self._count(asked, draft)
        except Exception:  # what is counted decides nothing
            log.exception("decision_not_counted", uid=asked.request.uid)

    def _count(self, asked: Asked, draft: Draft) -> None:
        decision, request = draft.decision, asked.request
        self._decided[decision.outcome, decision.mode].inc()
        for finding in draft.findings:
            self._verdicts[finding.verdict].inc()
        log.info(
            "request_decided",
            uid=request.uid,
            namespace=request.namespace,
            workload=f"{request.kind}/{_name(asked)}",
            outcome=decision.outcome.value,
            mode=decision.mode.value,
            would_reject=decision.would_reject,
            verdicts=[f"{found.image[:200]}: {found.verdict.value}({found.reason})" for found in _shown(draft)],
            milliseconds=round((time.perf_counter() - asked.began) * 1000, 2),
        )

    def _not_stored(self, error: Exception, event_id: str, told_instead: Mapping[str, object]) -> None:
        self._metrics.events_unstored.inc()
        log.error("event_not_stored", event_id=event_id, cause=str(error) or type(error).__name__)
        write_event(event_id, told_instead)

    def _event(self, asked: Asked, draft: Draft) -> CloudEvent:
        try:
            return self._event_about(asked, draft)
        except Exception:  # a smaller event is better than none
            log.exception("event_incomplete", uid=asked.request.uid)
            bare = replace(asked, workload=Workload())
            return self._event_about(bare, Draft(draft.decision, ()))

    def _event_about(self, asked: Asked, draft: Draft) -> CloudEvent:
        request, workload = asked.request, asked.workload
        is_unanswered = draft.decision.outcome is RequestOutcome.UNANSWERED
        return decision_event(
            asked.rules.origin,
            {
                "uid": request.uid,
                "operation": request.operation,
                "api_version": request.api_version,
                "kind": request.kind,
                "subresource": request.subresource,
                "namespace": request.namespace,
                "name": request.name or workload.name,
                "generate_name": workload.generate_name,
                "user": {"name": request.user, "groups": list(request.groups)},
                "dry_run": request.dry_run,
            },
            {"api_version": request.api_version, "kind": request.kind, "name": _name(asked), "owner": workload.owner},
            draft.decision,
            draft.findings,
            at=self._now(),
            gate_milliseconds=(time.perf_counter() - asked.began) * 1000,
            corrects=asked.handed[0] if is_unanswered and asked.handed else None,
        )


def _shown(draft: Draft) -> list[Finding]:
    """The images of a line, those that fail first."""
    return sorted(draft.findings, key=lambda finding: not finding.is_failing)[:SHOWN_IMAGES]


def _name(asked: Asked) -> str:
    return asked.request.name or asked.workload.name or asked.workload.generate_name


def _patience(asked: Asked, draft: Draft) -> float:
    """When storing must end: nobody waits for the event of a request that was abandoned."""
    if draft.decision.outcome is RequestOutcome.UNANSWERED:
        return asyncio.get_running_loop().time() + ABANDONED
    return asked.store_by


def _who(rules: GateRules, event: CloudEvent) -> tuple[str, ...]:
    try:
        return rules.routes.destinations(event["data"])
    except Exception:  # whoever is told too much is better off than who is told nothing
        log.exception("routing_failed", event_id=event["id"])
        return rules.destinations
