"""The first half of the sentence, in order: review, images, policy, verdict, decision, event.

`read` finds out what is asked, under the rules that were in force when the request came, and the label that its path
tells of; they hold for all of it.

`validate` decides and tells:
(1) What brings no image (a deletion, a status update, an update that brings none) is admitted, and only counted.
(2) Every image is judged, all at once, equal ones once; one that has no answer at the deadline is
    unverifiable(timeout). Remembered proofs cost no task and no await, and what was decided about the same places is
    not decided again while it holds (`router.admission.decisions`). Where nothing is refused, what a tag meant a moment
    ago will do.
(3) What fails may be exempt (`router.admission.exempting`). The decision follows from the findings and the mode of the
    namespace (`router.decision`). What can't be read is refused in enforce and let in with a warning in detect.
    Where the glass was broken it is let in all the same (`router.admission.breaking`).
(4) A dry run ends here: same answer, no event.
(5) A destination that must be told gives its receipt before an admission in enforce mode; without it the request is
    refused. In detect nothing waits.
(6) Event and reply are made, then the event is stored, and when it is durable the reply leaves. If it can't be
    stored in time, the whole event goes to the log, and with `outbox.required` an admission in enforce mode becomes a
    refusal.
(7) Where (5) or (6) changed the decision, whoever heard the first one hears of it (`router.admission.recording`).

`decided` is (2) and (3) alone, for whoever asks what would be decided and tells nobody.

`mutate` pins tags to digests that were proven, only where a refusal would be in force. It refuses nothing, makes no
event and never sends a patch that could fail to apply. Where it fails, the webhook's last word admits.

`switched` tells that the label of a namespace is changed, and admits.

`abandon` tells that nobody waits for the answer any more.

Invariant: whatever fails in any stage, the API server gets an answer: in detect an admission with a warning and an
event, in enforce a refusal with its reason. The boundary that catches what nobody expected is in `validate`; what
follows it judges nothing, recording has a way out for each of its parts (`router.admission.recording`), and the webhook
has the last word. Nothing here talks HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence

from router.admission import breaking, exempting, pinning, review
from router.admission.asked import Asked, GateRules, Times
from router.admission.decisions import Alike
from router.admission.draft import Draft
from router.admission.judging import Found
from router.admission.observer import Observer
from router.admission.reading.tolerant import UnreadableJsonError
from router.admission.recording import EventRecorder
from router.admission.review import AdmissionRequest, Objects
from router.admission.switching import read_switch
from router.admission.unreadable import Unreadable
from router.admission.workloads import SKIPPED, Workload, read_workload
from router.decision import Failure, Finding, decide, last_word, unanswered, unjudged, without_grant
from router.events import event_id
from router.outbox import NewEvent
from router.slices import OutOfTimeError, Slices
from router.telemetry.logs import logger
from router.verdict import Mode, RequestOutcome, Skip
from router.verification import Asker

log = logger()


class Gate:
    """Answers admission requests by the rules in force; `rules` may be replaced at any time."""

    def __init__(self, rules: GateRules, recorder: EventRecorder, observer: Observer) -> None:
        self.rules = rules
        self.slices = Slices()
        self._recorder = recorder
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(
        self, rules: GateRules, request: AdmissionRequest, objects: Objects, times: Times, label: Mode | None = None
    ) -> Asked:
        """What is asked under these rules, where the namespace's label says this.

        Never fails: what can't be read is told.
        """
        began = time.perf_counter()
        mode, never_block = rules.mode(request.namespace, label)
        workload, problem = Workload(), request.problem
        if not problem:
            try:
                reading = read_workload(request, objects, rules.csi_drivers, rules.break_glass.annotation)
                workload = await self.slices.run(reading, times.deadline)
            except OutOfTimeError:
                problem = "there was no time to read the object"
            except UnreadableJsonError as error:
                problem = str(error)
            except (
                Exception
            ) as error:  # whoever writes an object could else bring about a last word, which tells nobody
                log.exception("object_not_read", uid=request.uid, namespace=request.namespace)
                problem = f"reading the object failed ({type(error).__name__})"
        workload, claim = breaking.claimed(rules, request, workload)
        never_block |= workload.never_blocks
        return Asked(request, workload, rules, mode, never_block, times, began, problem, claim)

    def unread(self, rules: GateRules, request: AdmissionRequest, label: Mode | None = None) -> Asked:
        """A request whose client went away while it was being read."""
        mode, never_block = rules.mode(request.namespace, label)
        workload, now = Workload(skip=SKIPPED.get(request.operation)), asyncio.get_running_loop().time()
        times, began = Times(now, now, now), time.perf_counter()
        return Asked(request, workload, rules, mode, never_block, times, began, "nobody waited for it")

    async def validate(self, asked: Asked) -> bytes:
        """The reply to a validating call, its event durable."""
        workload = asked.workload
        try:
            if workload.skip is not None:
                self._observer.skipped(workload.skip)
                return review.reply(asked.request.uid, allowed=True, warnings=unjudged(workload.notices))
            return await self._told(asked, await decided(asked))
        except Exception as error:  # the one boundary: without it the webhook has the last word, which makes no event
            log.exception("gate_stage_failed", uid=asked.request.uid, namespace=asked.request.namespace)
            return await self._told_of_failure(asked, type(error).__name__)

    async def mutate(self, asked: Asked) -> bytes:
        """The reply to a mutating call: an admission, with a patch where tags are to be pinned."""
        patch = None
        if asked.rules.pin_digests and asked.blocks and any(place.is_pinnable for place in asked.workload.places):
            patch = await pinning.pins(asked, (await _found(asked)).findings)
        return review.reply(asked.request.uid, allowed=True, patch=patch)

    async def switched(self, rules: GateRules, request: AdmissionRequest, objects: Objects, times: Times) -> bytes:
        """The reply to a call about a namespace: an admission; a change of its label is told before it leaves."""
        notice = await self.slices.run(read_switch(rules, request, objects, time.time()), times.deadline)
        if notice is not None:
            log.warning("mode_changed", uid=request.uid, **notice["data"]["notice"]["facts"])
            # Where the API server gives up meanwhile, the change is made all the same.
            await asyncio.shield(self._in_background(self._recorder.store_notice(rules, notice)))
        return review.reply(request.uid, allowed=True)

    def abandon(self, asked: Asked) -> None:
        """Nobody waits any more for the reply to a validating call: tell so, with what is known without asking."""
        if asked.workload.skip is not None or asked.request.dry_run:
            return
        self._in_background(self._told_unanswered(asked))

    async def unreadable(self, bodies: Unreadable) -> None:
        """Tell of bodies that are no review."""
        await self._recorder.store_unreadable(self.rules, bodies)

    async def close(self) -> None:
        """Let what is told after the answer be stored."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _told(self, asked: Asked, draft: Draft) -> bytes:
        if asked.request.dry_run:
            self._observer.skipped(Skip.DRY_RUN)
            return _reply(asked, draft)
        first: NewEvent | None = None
        if asked.blocks and draft.is_admission and asked.rules.must_deliver:
            first, missing = await self._recorder.tell_first(asked, draft)
            if missing:
                draft = _failed(draft.findings, asked, Failure.undelivered(missing))
                first = None
        reply = _reply(asked, draft)
        is_stored = await self._store(asked, draft, first)
        if not is_stored and draft.has_grant:
            reply = _reply(asked, Draft(without_grant(draft.decision), draft.findings))
        if not is_stored and draft.is_admission and asked.needs_outbox:
            draft = _failed(draft.findings, asked, Failure.event_not_stored())
            reply = _reply(asked, draft)
            self._in_background(self._recorder.take_back(asked, draft))
        self._recorder.count(draft)
        return reply

    async def _told_of_failure(self, asked: Asked, error_name: str) -> bytes:
        problem = f"an internal error ({error_name}); the cause is in Gatecrier's log"
        decision = last_word(problem, blocks=asked.blocks)
        draft = Draft(decision, ())
        is_rejection = decision.outcome is RequestOutcome.REJECTED
        reply = review.reply(
            asked.request.uid, allowed=not is_rejection, message=decision.refusal, warnings=decision.warnings
        )
        if not asked.request.dry_run:
            await self._store(asked, draft)
            self._recorder.count(draft)
        return reply

    async def _told_unanswered(self, asked: Asked) -> None:
        findings = await _settled(asked, await asked.rules.judging.known(asked.workload.places))
        failure = Failure.unreadable(asked.problem) if asked.problem else None
        decision = decide(
            findings, asked.mode, never_block=asked.never_block, failure=failure, notices=asked.workload.notices
        )
        draft = Draft(unanswered(decision), findings)
        await self._store(asked, draft)
        self._recorder.count(draft)

    async def _store(self, asked: Asked, draft: Draft, first: NewEvent | None = None) -> bool:
        is_stored = await self._recorder.store(asked, draft, first)
        if not is_stored and asked.told.is_corrected:
            self._in_background(self._recorder.tell_hearers(asked))
        return is_stored

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("telling_failed", exc_info=error)


async def decided(asked: Asked) -> Draft:
    """What is decided about a request that brings images."""
    if asked.problem:
        return _failed((), asked, Failure.unreadable(asked.problem))
    return await breaking.broken(asked, await _judged(asked))


async def _judged(asked: Asked) -> Draft:
    """What follows from its images: as it was decided before, while that holds."""
    workload, decisions = asked.workload, asked.rules.decisions
    namespace = asked.request.namespace
    exempt_in = namespace if asked.rules.exemptions.concern(namespace) else None
    key = Alike(workload.places, workload.notices, asked.mode, asked.never_block, exempt_in)
    if (remembered := decisions.get(key)) is not None:
        return remembered
    found = await _found(asked, is_recent_enough=not asked.blocks)
    findings = await _settled(asked, found.findings)
    decision = decide(findings, asked.mode, never_block=asked.never_block, notices=workload.notices)
    draft = Draft(decision, findings)
    if found.lasting is not None:
        decisions.put(key, draft, found.lasting.both(exempting.lasting(findings)), workload.cost)
    return draft


async def _settled(asked: Asked, findings: Sequence[Finding]) -> list[Finding]:
    """What was found out about the images, and what else holds for them: pins that are missing, and exemptions."""
    return await exempting.exempt(asked, await pinning.held_against(asked, findings))


async def _found(asked: Asked, *, is_recent_enough: bool = False) -> Found:
    places, times, asker = asked.workload.places, asked.times, Asker(asked.request.namespace, asked.request.dry_run)
    return await asked.rules.judging.findings(
        places, times.came, times.deadline, asker, is_recent_enough=is_recent_enough
    )


def _reply(asked: Asked, draft: Draft) -> bytes:
    decision, uid = draft.decision, asked.request.uid
    return review.reply(
        uid,
        allowed=decision.outcome is not RequestOutcome.REJECTED,
        message=decision.refusal,
        warnings=decision.warnings,
        audit={**draft.audit, "event-id": event_id(asked.rules.origin.cluster, uid)},
    )


def _failed(findings: Sequence[Finding], asked: Asked, failure: Failure) -> Draft:
    return Draft(decide(findings, asked.mode, never_block=asked.never_block, failure=failure), findings)
