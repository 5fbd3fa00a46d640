"""How a decision becomes an event that is durable before the reply leaves.

Rules:
(1) An event is made from the decision and what was asked; if its parts can't be read, a smaller one without them.
(2) Routes name the destinations; if the routes themselves fail, everybody is told.
(3) `store` never raises: an event that the outbox does not take, for whatever cause, stands whole in the log and is
    counted. How long it may take is the outbox's own limit.
(4) One line in the log per decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from router.admission import review, workloads
from router.decision import Decision, Finding
from router.events import CloudEvent, Origin, decision_event, encode
from router.outbox import NewEvent
from router.routing import RoutingTree
from router.telemetry.logs import logger, write_event
from router.telemetry.metrics import Metrics
from router.verdict import Mode, RequestOutcome, Verdict

log = logger()

ObtainReceipts = Callable[[bytes, str, Sequence[str], float], Awaitable[frozenset[str]]]
"""(event body, event id, destinations, deadline in loop time) -> those that gave their receipt."""


class Appending(Protocol):
    """The part of the outbox that is needed here."""

    async def append(self, event: NewEvent) -> int:
        """Store durably; returns the sequence number. Raises OutboxError."""


class TellingRules(Protocol):
    """The part of the gate's rules that is needed here."""

    @property
    def origin(self) -> Origin:
        """Where events come from."""

    @property
    def routes(self) -> RoutingTree:
        """Who is told."""

    @property
    def destinations(self) -> tuple[str, ...]:
        """Everybody."""

    @property
    def must_deliver(self) -> frozenset[str]:
        """Who must be told first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One admission request and what holds for it."""

    request: review.AdmissionRequest
    mode: Mode
    never_block: bool
    deadline: float
    """In the event loop's time."""
    began: float
    """In `time.perf_counter`'s time."""


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

    @staticmethod
    def loop_time() -> float:
        """The clock of deadlines."""
        return asyncio.get_running_loop().time()

    async def tell_first(
        self, rules: TellingRules, call: Call, draft: Draft
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those who must be told first: (who gave a receipt, who did not) within the deadline."""
        event = self._event(rules, call, draft)
        wanted = [name for name in self._who(rules, event) if name in rules.must_deliver]
        if not wanted:
            return (), ()
        told = await self._receipts(encode(event), event["id"], wanted, call.deadline)
        return tuple(told), tuple(name for name in wanted if name not in told)

    async def store(self, rules: TellingRules, call: Call, draft: Draft, told: Sequence[str]) -> bool:
        """Whether the event is durable now; if not, the whole of it is in the log."""
        event: CloudEvent | None = None
        try:
            event = self._event(rules, call, draft)
            new = NewEvent(event["id"], encode(event), self._now(), self._who(rules, event), told)
            await self._outbox.append(new)
        except Exception as error:  # noqa: BLE001 - whatever the cause, what the event tells must be in the log
            self._metrics.events_unstored.inc()
            cause = str(error) or type(error).__name__
            event_id = event["id"] if event else call.request.uid
            log.error("event_not_stored", uid=call.request.uid, event_id=event_id, cause=cause)  # noqa: TRY400 - the event matters
            write_event(event_id, event or {"uid": call.request.uid, "decision": asdict(draft.decision)})
            return False
        self._metrics.events_stored.inc()
        return True

    def count(self, call: Call, draft: Draft) -> None:
        """Count the decision and write its line in the log."""
        decision, request = draft.decision, call.request
        self._decided[decision.outcome, decision.mode].inc()
        for finding in draft.findings:
            self._verdicts[finding.verdict].inc()
        log.info(
            "request_decided",
            uid=request.uid,
            namespace=request.namespace,
            workload=f"{request.kind}/{request.name or request.generate_name}",
            outcome=decision.outcome.value,
            mode=decision.mode.value,
            would_reject=decision.would_reject,
            verdicts=[f"{found.image[:200]}: {found.verdict.value}({found.reason})" for found in draft.findings[:20]],
            milliseconds=round((time.perf_counter() - call.began) * 1000, 2),
        )

    def _event(self, rules: TellingRules, call: Call, draft: Draft) -> CloudEvent:
        request = call.request
        try:
            return self._event_about(rules, call, request, draft)
        except Exception:  # a smaller event is better than none
            log.exception("event_incomplete", uid=request.uid)
            return self._event_about(rules, call, review.unreadable_request(request.uid), Draft(draft.decision, ()))

    def _event_about(
        self, rules: TellingRules, call: Call, request: review.AdmissionRequest, draft: Draft
    ) -> CloudEvent:
        return decision_event(
            rules.origin,
            review.request_data(request),
            workloads.workload_data(request),
            draft.decision,
            draft.findings,
            at=self._now(),
            gate_milliseconds=(time.perf_counter() - call.began) * 1000,
        )

    def _who(self, rules: TellingRules, event: CloudEvent) -> tuple[str, ...]:
        try:
            return rules.routes.destinations(event["data"])
        except Exception:  # whoever is told too much is better off than who is told nothing
            log.exception("routing_failed", event_id=event["id"])
            return rules.destinations
