"""Answers to calls that can be read in the turn in which they come: no request of aiohttp's, and no stream.

Rules:
(1) What was decided before is answered without a task and without an await (`Gate.validate_at_once`); everything else
    in a task (`Gate.validate`). Either is told when its event is durable, in the same bytes in which the webhook would
    have told it, and if all else fails in the webhook's last word.
(2) What can't be read at one go, or not within a few milliseconds, is no validating call, or finds no room is left to
    the webhook, which finds it as if nobody had looked: it has the waits and the words for it. A mistake of ours before
    anything was done is no failure yet, but stands in the log: it might be met here alone.
(3) A body is read at once or not at all, and takes no room; the images of what is asked do until it is answered, where
    there is room and nobody waits for it.
(4) When the client goes before its answer, our work for it is cancelled, and the event says so, as for every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from router.admission.deadlines import allowance
from router.admission.gate import Gate
from router.admission.last_word import last_review, said_in_log
from router.admission.observer import AdmissionObserver
from router.admission.paths import PATHS
from router.admission.receiving import TINY, Room
from router.admission.request_context import RequestContext, Times
from router.errors import ReviewError
from router.telemetry.going_on import nothing, or_else
from router.verdict import Mode


class PromptAnswers:
    """Answers for a gate.

    Args:
        gate: It.
        judging: The room that images take, which is the webhook's.
        observer: Counts what is answered.
    """

    def __init__(self, gate: Gate, judging: Room, observer: AdmissionObserver) -> None:
        self._gate = gate
        self._judging = judging
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(
        self, path: str, timeout: str, body: memoryview, reply: Callable[[bytes], None]
    ) -> Callable[[], None] | None:
        """Have `reply` told the answer when its event is durable; returns what to call if the client goes meanwhile.

        None where the webhook must find it.
        """
        call = PATHS.get(path)
        if call is None or call.endpoint != "validate" or len(body) > TINY:
            return None
        asking = partial(self._asked, call.label, timeout, body, reply)
        return or_else(asking, nothing, "not_answered_at_once")  # (2): the connection would end without an answer

    def _asked(
        self, label: Mode | None, timeout: str, body: memoryview, reply: Callable[[bytes], None]
    ) -> Callable[[], None] | None:
        rules, came = self._gate.rules, self._loop.time()
        allowed = allowance(timeout, rules.longest)
        times = Times(came, came + allowed.judging, came + allowed.storing)
        try:
            asked = self._gate.read_at_once(rules, body, times, label)
        except (ReviewError, ValueError, RecursionError):  # what can't be read at one go
            return None
        return self._answered(asked, reply)

    def _answered(self, asked: RequestContext, reply: Callable[[bytes], None]) -> Callable[[], None] | None:
        room, cost = self._judging, asked.workload.cost
        if not room.take_now(cost, is_tiny=cost <= TINY):
            return None
        has_ended = False

        def end() -> bool:
            """Whether this is the first of the two that may end it."""
            nonlocal has_ended
            is_first, has_ended = not has_ended, True
            if is_first:
                room.give_back(cost)
            return is_first

        def answered(answer: bytes) -> None:
            if end():
                self._observer.answered("validate", self._loop.time() - asked.times.came)
                reply(answer)

        abandon: Callable[[], None] | None = None
        try:
            abandon = self._gate.validate_at_once(asked, answered) or self._validating(asked, answered)
        finally:
            if abandon is None:
                end()
        known = abandon

        def gone() -> None:
            if end():
                known()

        return gone

    def _validating(self, asked: RequestContext, answered: Callable[[bytes], None]) -> Callable[[], None]:
        task = self._loop.create_task(self._validated(asked, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def abandon() -> None:
            task.cancel()
            self._gate.abandon(asked)

        return abandon

    async def _validated(self, asked: RequestContext, answered: Callable[[bytes], None]) -> None:
        try:
            answer = await self._gate.validate(asked)
        except Exception as error:  # noqa: BLE001 - the last boundary: nobody would be answered
            said_in_log("request_failed", error)
            answer = last_review(asked.request.uid, is_allowed=not asked.blocks, blocks=asked.blocks)
        answered(answer)
