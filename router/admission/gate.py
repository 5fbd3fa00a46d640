"""The first half of the sentence, in order: review, images, policy, verdict, decision, event.

`validate` decides and tells:
(1) What brings no image (a deletion, a status update, an update that changes none) is admitted, and only counted.
(2) Every image is judged, all at once, equal ones once; one that has no answer at the deadline is
    unverifiable(timeout). Remembered proofs cost no task and no await.
(3) The decision follows from the findings and the mode of the namespace (`router.decision`).
(4) A dry run ends here: same answer, no event.
(5) A destination that must be told gives its receipt before an admission in enforce mode; without it the request is
    refused. In detect nothing waits.
(6) Event and reply are made, then the event is stored, and when it is durable the reply leaves. If it can't be
    stored, the whole event goes to the log, and with `outbox.required` the request is refused in enforce mode.

`mutate` pins tags to digests that were proven, only where a refusal would be in force. It refuses nothing, makes no
event and never sends a patch that could fail to apply.

Invariant: whatever fails in any stage, the API server gets an answer: in detect an admission with a warning and an
event, in enforce a refusal with its reason. The boundary that catches what nobody expected is in `validate`; what
follows it uses no stage that could have failed. Nothing here talks HTTP to the API server: that is the webhook's
part.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from router.admission import patches, review, workloads
from router.admission.judging import Judging
from router.admission.telling import Call, Draft, Telling
from router.decision import Decision, Failure, Finding, audit_annotations, decide
from router.events import Origin, event_id
from router.policy import Enforcement
from router.routing import RoutingTree
from router.telemetry.logs import logger
from router.telemetry.metrics import Metrics
from router.verdict import Mode, RequestOutcome, Severity, Verdict
from router.verification import Asker

log = logger()


@dataclass(frozen=True, slots=True)
class GateRules:
    """What one configuration says; a reload replaces the whole."""

    origin: Origin
    enforcement: Enforcement
    judging: Judging
    routes: RoutingTree
    destinations: tuple[str, ...]
    """Every destination: who is told when the routes themselves fail."""
    must_deliver: frozenset[str]
    """Destinations whose receipt an admission in enforce mode waits for."""
    outbox_required: bool
    pin_digests: bool


class Gate:
    """Answers admission requests by the rules in force; `rules` may be replaced at any time."""

    def __init__(self, rules: GateRules, telling: Telling, metrics: Metrics) -> None:
        self.rules = rules
        self._telling = telling
        self._metrics = metrics

    async def validate(self, request: review.AdmissionRequest, deadline: float) -> bytes:
        """The reply to a validating call, its event durable; `deadline` is in the event loop's time."""
        call = self._call(request, deadline)
        try:
            workload = workloads.images_of(request)
            if workload.skip is not None:
                self._metrics.requests_skipped.labels(workload.skip).inc()
                return review.reply(request.uid, allowed=True)
            findings = await self.rules.judging.findings(workload.places, deadline, _asker(request))
            decision = decide(findings, call.mode, never_block=call.never_block, notices=workload.notices)
            return await self._told(call, Draft(decision, findings))
        except Exception as error:  # the one boundary: whatever failed, the API server gets its answer
            log.exception("gate_stage_failed", uid=request.uid, namespace=request.namespace)
            return await self._told_of_failure(call, type(error).__name__)

    async def mutate(self, request: review.AdmissionRequest, deadline: float) -> bytes:
        """The reply to a mutating call: an admission, with a patch where tags are to be pinned."""
        patch = None
        try:
            call = self._call(request, deadline)
            if self.rules.pin_digests and call.mode is Mode.ENFORCE:
                patch = await self._pinned(request, deadline)
        except Exception:
            log.exception("pinning_failed", uid=request.uid)  # a patch is a courtesy; /validate decides and tells
        return review.reply(request.uid, allowed=True, patch=patch)

    async def unreadable(self, uid: str, problem: str) -> None:
        """Tell of a request whose body could not be read: the API server gets HTTP 400 and goes by failurePolicy."""
        decision = Decision(
            outcome=RequestOutcome.UNANSWERED,
            mode=Mode.DETECT,
            would_reject=False,
            severity=Severity.MEDIUM,
            message=f"the request could not be read: {problem}",
            warnings=(),
            refusal="",
        )
        call = self._call(review.unreadable_request(uid), self._telling.loop_time())
        await self._telling.store(self.rules, call, Draft(decision, ()), ())

    def _call(self, request: review.AdmissionRequest, deadline: float) -> Call:
        enforcement = self.rules.enforcement
        try:
            never_block = enforcement.never_blocks(request.namespace)
            mode = Mode.DETECT if never_block else enforcement.mode(request.namespace)
        except Exception:  # without a mode there is still an answer, by the default
            log.exception("mode_unknown", uid=request.uid)
            never_block, mode = False, enforcement.default
        return Call(request, mode, never_block, deadline, time.perf_counter())

    async def _pinned(self, request: review.AdmissionRequest, deadline: float) -> bytes | None:
        places = workloads.images_of(request).places
        findings = await self.rules.judging.findings(places, deadline, _asker(request))
        return patches.pin(
            [
                (place, finding.digest)
                for place, finding in zip(places, findings, strict=True)
                if finding.verdict is Verdict.VERIFIED and finding.rule_mode is Mode.ENFORCE and finding.digest
            ]
        )

    async def _told(self, call: Call, draft: Draft) -> bytes:
        rules = self.rules
        if call.request.dry_run:
            self._metrics.requests_skipped.labels("dry_run").inc()
            return self._reply(rules, call, draft)
        told: tuple[str, ...] = ()
        is_admission = draft.decision.outcome is RequestOutcome.ADMITTED
        if call.mode is Mode.ENFORCE and is_admission and rules.must_deliver:
            told, missing = await self._telling.tell_first(rules, call, draft)
            if missing:
                draft = _failed(draft.findings, call, "undelivered", f"no receipt from {', '.join(missing)}")
        reply = self._reply(rules, call, draft)
        stored = await self._telling.store(rules, call, draft, told)
        if not stored and rules.outbox_required and call.mode is Mode.ENFORCE:
            draft = _failed(draft.findings, call, "event_not_stored", "the event of this decision can't be stored")
            reply = self._reply(rules, call, draft)
        self._telling.count(call, draft)
        return reply

    async def _told_of_failure(self, call: Call, error_name: str) -> bytes:
        decision = _last_word(call, f"an internal error ({error_name}); the cause is in Gatecrier's log")
        draft = Draft(decision, ())
        is_rejection = decision.outcome is RequestOutcome.REJECTED
        reply = review.reply(
            call.request.uid, allowed=not is_rejection, message=decision.refusal, warnings=decision.warnings
        )
        if not call.request.dry_run:
            await self._telling.store(self.rules, call, draft, ())
            self._telling.count(call, draft)
        return reply

    def _reply(self, rules: GateRules, call: Call, draft: Draft) -> bytes:
        decision = draft.decision
        return review.reply(
            call.request.uid,
            allowed=decision.outcome is not RequestOutcome.REJECTED,
            message=decision.refusal,
            warnings=decision.warnings,
            audit=audit_annotations(decision, draft.findings, event_id(rules.origin.cluster, call.request.uid)),
        )


def _asker(request: review.AdmissionRequest) -> Asker:
    return Asker(request.namespace or "", request.dry_run)


def _failed(findings: Sequence[Finding], call: Call, reason: str, detail: str) -> Draft:
    decision = decide(findings, call.mode, never_block=call.never_block, failure=Failure(reason, detail))
    return Draft(decision, findings)


def _last_word(call: Call, problem: str) -> Decision:
    """The decision when a stage failed, made without any stage."""
    if call.mode is Mode.ENFORCE:
        refusal = f"the images could not be judged: {problem}"
        return Decision(
            outcome=RequestOutcome.REJECTED,
            mode=Mode.ENFORCE,
            would_reject=True,
            severity=Severity.HIGH,
            message=refusal,
            warnings=(),
            refusal=refusal,
        )
    return Decision(
        outcome=RequestOutcome.ADMITTED,
        mode=Mode.DETECT,
        would_reject=True,
        severity=Severity.MEDIUM,
        message=f"admitted although the images could not be judged: {problem}",
        warnings=(f"gatecrier (detect): the images could not be judged: {problem}"[:256],),
        refusal="",
    )
