"""One attempt: render, deliver, and what follows from the answer.

Rules:
(1) An attempt carries a batch of events, as many as the destination takes by count and by bytes. Its answer is one
    outcome for all of them, or one for each. A batch that is refused for good is tried again event by event, so that
    one bad event dooms no other; one that is refused for its form, which may be its size, is halved. One that fails is
    tried again soon, each event alone (`suspects`): it is known of none of them that it was refused, or is slow to
    fail. Where the destination's rate leaves no room for a further request, nothing waits for it in here: what was not
    sent is given back, and what was refused in a batch is due when there is room, each event alone, lest the same batch
    be refused for ever.
(2) A failure that may pass is tried again after `backoff.delay`, until `give_up_after` since the event's first attempt
    here (or the answer's own, shorter, time), in the outbox's own time: one last attempt is at that time, and then it
    is set aside with its cause.
    Counted from the first attempt, a router that was down, an open breaker or a replay days later takes no time away.
(3) Refused credentials (401, 403) are no event's fault while the destination takes nothing else: the event waits,
    however long, and `give_up_after` does not count. Where an event that was sent alone was refused `REFUSED_ALONE`
    times, and each time another was accepted afterwards, it is the event that is refused: it is set aside.
(4) What is refused for good is set aside at once.
(5) What is taken, and gets its receipt later (`PendingReceipt`), is asked for again when its destination says. That is
    no failure, and no further attempt in the count; `give_up_after` holds.
(6) Here is the boundary for what nobody expected. It is logged with its traceback and counts as a failure that may
    pass, `internal_error`; an event that can't be rendered does not count against the destination.
(7) Every attempt goes with its settlement, to be kept for people who ask for it (`router.outbox.attempt`).
(8) What the receiver calls a message about an incident is kept with its settlement, and goes along with the next one
    about it, which is not claimed before (`router.outbox.protocol`, rule 11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

from router.delivery.backoff import delay
from router.delivery.channel import Channel, LaneResources
from router.delivery.standing import MISTAKE
from router.delivery.suspects import Suspects
from router.destinations.document import Document
from router.destinations.outcome import (
    AttemptOutcome,
    Delivered,
    EachOutcome,
    Outcome,
    PendingReceipt,
    TryAgain,
    Undeliverable,
)
from router.outbox import Accepted, Attempt, Delivery, Postponed, SetAside, Settlement
from router.telemetry.going_on import nothing, or_else
from router.telemetry.logs import logger

log = logger()

RENDERED_AT_ONCE = 8
"""Documents of a batch that are rendered before others get their turn: the gate shares this event loop."""
REFUSED_ALONE = 3
"""Refusals, each followed by the acceptance of another event, after which an event is set aside."""


_Sent: TypeAlias = tuple[Delivery, Document]


def parts(sent: Sequence[_Sent], most: int) -> Iterator[Sequence[_Sent]]:
    """These in order, in parts of at most so many bytes of documents; what is larger alone goes alone."""
    part, size = list[_Sent](), 0
    for one in sent:
        if part and size + len(one[1].body) > most:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one[1].body)
    if part:
        yield part


class _Made(NamedTuple):
    """An attempt that was made, and what it came to."""

    outcome: Outcome
    at: float
    seconds: float

    @property
    def kept(self) -> Attempt:
        """It, as it is kept."""
        match self.outcome:
            case Delivered(status=status):
                return Attempt(self.at, self.seconds, status=status)
            case TryAgain() | Undeliverable() | PendingReceipt() as failure:
                return Attempt(self.at, self.seconds, failure.reason, failure.status, failure.words)


class Attempts:
    """Makes attempts at one destination.

    Attributes:
        suspects: Ids of the events that go alone.
    """

    def __init__(self, channel: Channel, around: LaneResources) -> None:
        self._destination = channel.destination
        self._name = channel.destination.name
        self._render = channel.render
        self._standing = channel.standing
        self._around = around
        self.suspects = Suspects()

    async def make(self, batch: Sequence[Delivery], record: Callable[[Settlement], None]) -> Sequence[Delivery]:
        """Try to deliver these; `record` is told what becomes of each as soon as it is known.

        Returns:
            Those that were not sent: there is no room for another request now.
        """
        sent: list[_Sent] = []
        for number, delivery in enumerate(batch, 1):
            if self._refusals(delivery) >= REFUSED_ALONE:
                self.suspects.clear(delivery.event_id)
                record(self._given_up(delivery, delivery.attempts, Undeliverable("unauthorised"), None))
            elif (document := self._document(delivery)) is None:
                record(self._settlement(delivery, _Made(MISTAKE, self._around.clock(), 0.0), is_alone=True))
            else:
                sent.append((delivery, document))
            if number % RENDERED_AT_ONCE == 0:
                await asyncio.sleep(0)
        unsent: list[Delivery] = []
        for number, part in enumerate(parts(sent, self._destination.batch_bytes)):
            if number == 0 or self._is_begun():
                await self._send(part, record)
            else:
                unsent += [delivery for delivery, _ in part]
        return unsent

    def _is_begun(self) -> bool:
        """Count one more request, if there is room for it; whoever took the batch has counted the first."""
        pace, now = self._standing.pace, asyncio.get_running_loop().time()
        if is_begun := not pace.wait(now):
            pace.began(now)
        return is_begun

    async def _send(self, part: Sequence[_Sent], record: Callable[[Settlement], None]) -> None:
        """Rule (1), in one request and those that follow from its answer."""
        answer, at, seconds = await self._answered(part)
        outcomes = answer.outcomes if isinstance(answer, EachOutcome) else (answer,) * len(part)
        is_alone, again = len(part) == 1 or isinstance(answer, EachOutcome), list[tuple[Sequence[_Sent], _Made]]()
        if not is_alone and isinstance(answer, Undeliverable):
            middle, made = len(part) // 2, _Made(answer, at, seconds)
            smaller = [part[:middle], part[middle:]] if answer.is_of_form else [[one] for one in part]
            again = [(one, made) for one in smaller]
            outcomes = part = ()
        for one, outcome in zip(part, outcomes, strict=True):
            made = _Made(outcome, at, seconds)
            if len(part) > 1 and isinstance(outcome, Undeliverable) and outcome.is_of_form:
                again.append(([one], made))
            else:
                self._suspect(one[0].event_id, outcome, is_of_each=isinstance(answer, EachOutcome))
                record(self._settlement(one[0], made, is_alone=is_alone))
        for some, made in again:
            if self._is_begun():
                await self._send(some, record)
            else:
                for delivery, _ in some:
                    record(self._put_off(delivery, made))

    def _put_off(self, delivery: Delivery, made: _Made) -> Postponed:
        """What was refused in a batch goes alone, when there is room, and is not given up before."""
        self.suspects.add(delivery.event_id)
        wait, kept = self._standing.pace.wait(asyncio.get_running_loop().time()), made.kept
        return Postponed(
            self._name,
            delivery.event_id,
            wait,
            delivery.attempts + 1,
            kept.reason,
            kept.words,
            refusals=self._refusals(delivery),
            attempt=kept,
        )

    def _suspect(self, event_id: str, outcome: Outcome, *, is_of_each: bool) -> None:
        if not isinstance(outcome, TryAgain):
            self.suspects.clear(event_id)
        elif not is_of_each:
            self.suspects.add(event_id)

    def _refusals(self, delivery: Delivery) -> int:
        """How often it was refused and another accepted afterwards."""
        refused_for = delivery.refused_for
        return delivery.refusals + (refused_for is not None and self._standing.was_accepting(refused_for))

    def _document(self, delivery: Delivery) -> Document | None:
        event_id = delivery.event_id
        render: Callable[[], Document | None] = partial(self._render, event_id, delivery.body, delivery.template)
        # (6): the slot would give it back, and begin again with it every second
        document = or_else(render, nothing, "rendering_failed", destination=self._name, event_id=event_id)
        if document is None:
            return None
        if document.is_fallback:
            self._around.observer.fell_back(self._name)
        if delivery.incident is None:
            return document
        return replace(document, receipt=delivery.receipt, is_late=delivery.is_late)

    async def _answered(self, part: Sequence[_Sent]) -> tuple[AttemptOutcome, float, float]:
        """What is answered to these, when they were sent, and how many seconds that took."""
        around, is_new = self._around, not any(delivery.attempts for delivery, _ in part)
        at, clock, documents = around.clock(), asyncio.get_running_loop().time, [document for _, document in part]
        began = clock()
        answer = await self._standing.attempt(self._destination, documents, around.observer, around.dice, is_new=is_new)
        return answer, at, clock() - began

    def _settlement(self, delivery: Delivery, made: _Made, *, is_alone: bool) -> Settlement:
        attempts = delivery.attempts + 1
        match made.outcome:
            case Delivered(receipt=receipt):
                now = self._around.clock()
                if not delivery.is_again:  # what was told in time is not late because it is told again
                    self._around.observer.delivered(self._name, max(0.0, now - delivery.appended_at))
                return Accepted(self._name, delivery.event_id, now, attempts, made.kept, receipt)
            case TryAgain() as failure:
                return self._postponed(delivery, failure, made.kept, is_alone=is_alone)
            case PendingReceipt() as pending:
                return self._awaited(delivery, pending, made.kept)
            case Undeliverable() as failure:
                return self._given_up(delivery, attempts, failure, made.kept)

    def _awaited(self, delivery: Delivery, pending: PendingReceipt, attempt: Attempt) -> Postponed | SetAside:
        attempts = max(1, delivery.attempts)  # what was never tried is due at once
        left = self._destination.give_up_after - delivery.tried_for
        if left <= 0:
            return self._given_up(delivery, attempts, pending, attempt)
        wait = min(pending.after, left)
        return Postponed(self._name, delivery.event_id, wait, attempts, pending.reason, pending.words, attempt=attempt)

    def _postponed(
        self, delivery: Delivery, failure: TryAgain, attempt: Attempt, *, is_alone: bool
    ) -> Postponed | SetAside:
        attempts, breaker = delivery.attempts + 1, self._standing.breaker
        failing_for = breaker.failing_for(asyncio.get_running_loop().time())
        wait = delay(attempts if is_alone else 1, failing_for, self._around.dice(), failure.after)
        if not failure.pauses:
            left = min(self._destination.give_up_after, failure.within) - delivery.tried_for
            if left <= 0:
                return self._given_up(delivery, attempts, failure, attempt)
            wait = min(wait, left)
        return Postponed(
            self._name,
            delivery.event_id,
            wait,
            attempts,
            failure.reason,
            failure.words,
            refusals=self._refusals(delivery),
            is_refused=failure.pauses and is_alone,
            attempt=attempt,
        )

    def _given_up(
        self,
        delivery: Delivery,
        attempts: int,
        failure: TryAgain | Undeliverable | PendingReceipt,
        attempt: Attempt | None,
    ) -> SetAside:
        event_id, reason, now = delivery.event_id, failure.reason, self._around.clock()
        log.error("delivery_set_aside", destination=self._name, event_id=event_id, reason=reason, attempts=attempts)
        self._around.observer.set_aside(self._name, reason, 1)
        return SetAside(self._name, event_id, now, attempts, reason, failure.words, attempt)
