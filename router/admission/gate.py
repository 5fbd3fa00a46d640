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

(2) and (3) alone are `router.admission.deciding`, for whoever asks what would be decided and tells nobody.

`validate_at_once` is the same for what was decided before: reply and event are those of `validate`, which does all that
needs more; both for whoever reads a call at one go (`router.admission.prompt`).

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
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from router.admission import at_once, breaking, deciding, pinning, review
from router.admission.draft import Draft
from router.admission.observer import AdmissionObserver
from router.admission.reading.tolerant import UnreadableJsonError
from router.admission.recording import EventRecorder, needs_event, needs_receipts
from router.admission.request_context import GateRules, RequestContext, Times
from router.admission.review import AdmissionRequest, RawObjects
from router.admission.switching import read_switch
from router.admission.unreadable import UnreadableGroup
from router.admission.workloads import SKIPPED, Workload, read_workload
from router.decision import Failure, decide, last_word, unanswered, unjudged, without_grant
from router.outbox import NewEvent
from router.outbox.posting import Later
from router.slices import OutOfTimeError, Slices
from router.telemetry.logs import logger
from router.verdict import Mode, RequestOutcome, Skip

log = logger()


@dataclass(slots=True)
class _Posted:
    """What goes on for a reply that was known at once."""

    is_abandoned: bool = False
    telling: asyncio.Task[None] | None = None

    def abandon(self) -> None:
        """Nobody waits for it."""
        self.is_abandoned = True
        if self.telling is not None:
            self.telling.cancel()


class Gate:
    """Answers admission requests by the rules in force; `rules` may be replaced at any time."""

    def __init__(self, rules: GateRules, recorder: EventRecorder, observer: AdmissionObserver) -> None:
        self.rules = rules
        self.slices = Slices()
        self._recorder = recorder
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(
        self, rules: GateRules, request: AdmissionRequest, objects: RawObjects, times: Times, label: Mode | None = None
    ) -> RequestContext:
        """What is asked under these rules, where the namespace's label says this.

        Never fails: what can't be read is told.
        """
        began = time.perf_counter()
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
        return _asked(rules, request, workload, times, label=label, began=began, problem=problem)

    @staticmethod
    def read_at_once(rules: GateRules, body: memoryview, times: Times, label: Mode | None = None) -> RequestContext:
        """What is asked in a body that is small enough to be read at one go; may fail, as `read` does not."""
        began = time.perf_counter()
        request, workload = at_once.read_whole(body, rules.csi_drivers, rules.break_glass.annotation)
        return _asked(rules, request, workload, times, label=label, began=began, problem=request.problem)

    def unread(self, rules: GateRules, request: AdmissionRequest, label: Mode | None = None) -> RequestContext:
        """A request whose client went away while it was being read."""
        workload, now = Workload(skip=SKIPPED.get(request.operation)), asyncio.get_running_loop().time()
        times, began = Times(now, now, now), time.perf_counter()
        return _asked(rules, request, workload, times, label=label, began=began, problem="nobody waited for it")

    async def validate(self, asked: RequestContext) -> bytes:
        """The reply to a validating call, its event durable."""
        workload = asked.workload
        try:
            if workload.skip is not None:
                self._observer.skipped(workload.skip)
                return review.reply(asked.request.uid, allowed=True, warnings=unjudged(workload.notices))
            return await self._told(asked, await deciding.decided(asked))
        except Exception as error:  # the one boundary: without it the webhook has the last word, which makes no event
            log.exception("gate_stage_failed", uid=asked.request.uid, namespace=asked.request.namespace)
            return await self._told_of_failure(asked, type(error).__name__)

    def validate_at_once(self, asked: RequestContext, answered: Callable[[bytes], None]) -> Callable[[], None] | None:
        """Have `answered` told the reply to a validating call when its event is durable, where the reply is known now.

        Known is what was decided before and needs nobody's word but the outbox's. Returns what to call if nobody waits
        any more: then nothing is told. None where it is not known; nothing was done then.
        """
        if asked.problem or asked.workload.skip is not None or asked.request.dry_run:
            return None
        draft = deciding.remembered(asked)
        if draft is None or breaking.may_be_broken(asked, draft) or needs_receipts(asked, draft):
            return None
        posted = _Posted()
        reply = deciding.reply(asked, draft)

        def told(later: Later | None) -> None:
            if posted.is_abandoned:
                return
            if later is None:
                self._recorder.stored(draft)
                answered(reply)
            else:
                telling = self._told_later(asked, draft, event, later, answered)
                posted.telling = self._in_background(telling)

        def abandon() -> None:
            posted.abandon()
            self.abandon(asked)

        event = self._recorder.post(asked, draft, told)
        return abandon

    async def mutate(self, asked: RequestContext) -> bytes:
        """The reply to a mutating call: an admission, with a patch where tags are to be pinned."""
        patch = None
        if asked.rules.pin_digests and asked.blocks and any(place.is_pinnable for place in asked.workload.places):
            patch = await pinning.pins(asked, (await deciding.found(asked)).findings)
        return review.reply(asked.request.uid, allowed=True, patch=patch)

    async def switched(self, rules: GateRules, request: AdmissionRequest, objects: RawObjects, times: Times) -> bytes:
        """The reply to a call about a namespace: an admission; a change of its label is told before it leaves."""
        notice = await self.slices.run(read_switch(rules, request, objects, time.time()), times.deadline)
        if notice is not None:
            log.warning("mode_changed", uid=request.uid, **notice["data"]["notice"]["facts"])
            # Where the API server gives up meanwhile, the change is made all the same.
            await asyncio.shield(self._in_background(self._recorder.store_notice(rules, notice)))
        return review.reply(request.uid, allowed=True)

    def abandon(self, asked: RequestContext) -> None:
        """Nobody waits any more for the reply to a validating call: tell so, with what is known without asking."""
        if asked.workload.skip is not None or asked.request.dry_run:
            return
        self._in_background(self._told_unanswered(asked))

    async def unreadable(self, bodies: UnreadableGroup) -> None:
        """Tell of bodies that are no review."""
        await self._recorder.store_unreadable(self.rules, bodies)

    async def close(self) -> None:
        """Let what is told after the answer be stored."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _told(self, asked: RequestContext, draft: Draft) -> bytes:
        if asked.request.dry_run:
            self._observer.skipped(Skip.DRY_RUN)
            return deciding.reply(asked, draft)
        first: NewEvent | None = None
        corrects: str | None = None
        if needs_receipts(asked, draft):
            first, missing = await self._recorder.tell_first(asked, draft)
            if first is not None and missing:
                draft = deciding.failed(draft.findings, asked, Failure.undelivered(missing))
                corrects, first = first.id, None
        reply = deciding.reply(asked, draft, corrects=corrects)
        is_stored = await self._store(asked, draft, first)
        return self._settled(asked, draft, reply, is_stored=is_stored)

    async def _told_later(
        self, asked: RequestContext, draft: Draft, event: NewEvent, later: Later, answered: Callable[[bytes], None]
    ) -> None:
        try:
            is_stored = await self._store(asked, draft, event, later)
            reply = self._settled(asked, draft, deciding.reply(asked, draft), is_stored=is_stored)
        except Exception as error:  # the same boundary as in `validate`: nobody would be answered
            log.exception("gate_stage_failed", uid=asked.request.uid, namespace=asked.request.namespace)
            reply = await self._told_of_failure(asked, type(error).__name__)
        answered(reply)

    def _settled(self, asked: RequestContext, draft: Draft, reply: bytes, *, is_stored: bool) -> bytes:
        """The reply that holds now that the event is durable, or could not be stored in time."""
        if not is_stored and draft.has_grant:
            reply = deciding.reply(asked, Draft(without_grant(draft.decision), draft.findings))
        if not is_stored and needs_event(asked, draft):
            draft = deciding.failed(draft.findings, asked, Failure.event_not_stored())
            reply = deciding.reply(asked, draft)
            self._in_background(self._recorder.take_back(asked, draft))
        self._recorder.count(draft)
        return reply

    async def _told_of_failure(self, asked: RequestContext, error_name: str) -> bytes:
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

    async def _told_unanswered(self, asked: RequestContext) -> None:
        findings = await deciding.settled(asked, await asked.rules.judging.known(asked.workload.places))
        failure = Failure.unreadable(asked.problem) if asked.problem else None
        decision = decide(
            findings, asked.mode, never_block=asked.never_block, failure=failure, notices=asked.workload.notices
        )
        draft = Draft(unanswered(decision), findings)
        await self._store(asked, draft)
        self._recorder.count(draft)

    async def _store(
        self, asked: RequestContext, draft: Draft, first: NewEvent | None = None, appending: Later | None = None
    ) -> bool:
        is_stored = await self._recorder.store(asked, draft, first, appending)
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


def _asked(  # noqa: PLR0913 - all that is known of a request that was read
    rules: GateRules,
    request: AdmissionRequest,
    workload: Workload,
    times: Times,
    *,
    label: Mode | None,
    began: float,
    problem: str,
) -> RequestContext:
    mode, never_block = rules.mode(request.namespace, label)
    workload, claim = breaking.claimed(rules, request, workload)
    never_block = never_block or workload.never_blocks
    return RequestContext(request, workload, rules, mode, never_block, times, began, problem, claim)
