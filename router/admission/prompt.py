"""Answers that are known in the turn in which a request comes: no task, no await, nothing held but what it takes.

Rules:
(1) Known is the answer to a validating call about what was decided before (`Gate.validate_at_once`). It is told when
    its event is durable, in the same bytes in which the webhook would have told it.
(2) Whatever else is asked is left to the webhook, which finds everything as if nobody had looked: it has the
    boundaries, the waits and the words for it. A mistake of ours is no failure yet, but stands in the log: it might be
    met here alone.
(3) A body is read at once or not at all, and takes no room; the images of what is asked do until it is answered, where
    there is room and nobody waits for it.
(4) When the client goes before its answer, the event says so, as for every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from router.admission.deadlines import allowance
from router.admission.gate import Gate
from router.admission.observer import AdmissionObserver
from router.admission.paths import PATHS
from router.admission.receiving import TINY, Room
from router.admission.request_context import RequestContext, Times
from router.errors import ReviewError
from router.telemetry.going_on import nothing, or_else
from router.verdict import Mode


class PromptAnswers:
    """What a gate knows at once.

    Args:
        gate: It.
        judging: The room that images take, which is the webhook's.
        observer: Counts what is answered.
    """

    def __init__(self, gate: Gate, judging: Room, observer: AdmissionObserver) -> None:
        self._gate = gate
        self._judging = judging
        self._observer = observer
        self._clock = asyncio.get_running_loop().time

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
        rules, came = self._gate.rules, self._clock()
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
                self._observer.answered("validate", self._clock() - asked.times.came)
                reply(answer)

        abandon: Callable[[], None] | None = None
        try:
            abandon = self._gate.validate_at_once(asked, answered)
        finally:
            if abandon is None:
                end()
        if (known := abandon) is None:
            return None

        def gone() -> None:
            if end():
                known()

        return gone
