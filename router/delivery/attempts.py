"""One attempt: render, deliver, and what follows from the answer.

Rules:
(1) An attempt carries a batch of events that share its fate. A batch that is refused for good is tried again event by
    event, so that one bad event dooms no other; one that fails is halved with each attempt (`ready`).
(2) A failure that may pass is tried again after `backoff.delay`, until `give_up_after` since the event's first attempt
    here (or the answer's own, shorter, time), in the outbox's own time: one last attempt is at that time, and then it
    is set aside with its cause.
    Counted from the first attempt, a router that was down, an open breaker or a replay days later takes no time away.
(3) Refused credentials (401, 403) are no event's fault while the destination takes nothing else: the event waits,
    however long, and `give_up_after` does not count. Where an event that was sent alone was refused `REFUSED_ALONE`
    times, and each time another was accepted afterwards, it is the event that is refused: it is set aside.
(4) What is refused for good is set aside at once.
(5) Here is the boundary for what nobody expected. It is logged with its traceback and counts as a failure that may
    pass, `internal_error`; an event that can't be rendered does not count against the destination.
(6) Every attempt goes with its settlement, to be kept for people who ask for it (`router.outbox.attempt`).
(7) What the receiver calls a message about an incident is kept with its settlement, and goes along with the next one
    about it, which is not claimed before (`router.outbox.protocol`, rule 11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from router.delivery.backoff import delay
from router.delivery.channel import Channel, Surroundings
from router.delivery.standing import MISTAKE
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.outbox import Accepted, Attempt, Delivery, Postponed, SetAside, Settlement
from router.telemetry.logs import logger

log = logger()

RENDERED_AT_ONCE = 8
"""Documents of a batch that are rendered before others get their turn: the gate shares this event loop."""
REFUSED_ALONE = 3
"""Refusals, each followed by the acceptance of another event, after which an event is set aside."""


@dataclass(frozen=True, slots=True)
class _Made:
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
            case TryAgain() | Undeliverable() as failure:
                return Attempt(self.at, self.seconds, failure.reason, failure.status, failure.words)


class Attempts:
    """Makes attempts at one destination."""

    def __init__(self, channel: Channel, around: Surroundings) -> None:
        self._destination = channel.destination
        self._name = channel.destination.name
        self._render = channel.render
        self._standing = channel.standing
        self._around = around

    async def make(self, batch: Sequence[Delivery], record: Callable[[Settlement], None]) -> None:
        """Try to deliver these; `record` is told what becomes of each as soon as it is known."""
        documents: list[Document] = []
        sent: list[Delivery] = []
        for number, delivery in enumerate(batch, 1):
            if self._refusals(delivery) >= REFUSED_ALONE:
                record(self._given_up(delivery, delivery.attempts, Undeliverable("unauthorised"), None))
            elif (document := self._document(delivery)) is None:
                record(self._settlement(delivery, _Made(MISTAKE, self._around.clock(), 0.0), is_alone=True))
            else:
                documents.append(document)
                sent.append(delivery)
            if number % RENDERED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if not sent:
            return
        made = await self._made(sent, documents)
        if len(sent) == 1 or not isinstance(made.outcome, Undeliverable):
            for delivery in sent:
                record(self._settlement(delivery, made, is_alone=len(sent) == 1))
            return
        for delivery, document in zip(sent, documents, strict=True):
            self._standing.pace.began(asyncio.get_running_loop().time())
            record(self._settlement(delivery, await self._made([delivery], [document]), is_alone=True))

    def _refusals(self, delivery: Delivery) -> int:
        """How often it was refused and another accepted afterwards."""
        refused_for = delivery.refused_for
        return delivery.refusals + (refused_for is not None and self._standing.was_accepting(refused_for))

    def _document(self, delivery: Delivery) -> Document | None:
        try:
            document = self._render(delivery.event_id, delivery.body, delivery.template)
        except Exception:  # (5): the slot would give it back, and begin again with it every second
            log.exception("rendering_failed", destination=self._name, event_id=delivery.event_id)
            return None
        if document.is_fallback:
            self._around.observer.fell_back(self._name)
        return replace(document, receipt=delivery.receipt, is_late=delivery.is_late)

    async def _made(self, sent: Sequence[Delivery], documents: Sequence[Document]) -> _Made:
        around, is_new = self._around, not any(one.attempts for one in sent)
        at, clock = around.clock(), asyncio.get_running_loop().time
        began = clock()
        outcome = await self._standing.attempt(
            self._destination, documents, around.observer, around.dice, is_new=is_new
        )
        return _Made(outcome, at, clock() - began)

    def _settlement(self, delivery: Delivery, made: _Made, *, is_alone: bool) -> Settlement:
        attempts = delivery.attempts + 1
        match made.outcome:
            case Delivered(receipt=receipt):
                now = self._around.clock()
                self._around.observer.delivered(self._name, max(0.0, now - delivery.appended_at))
                return Accepted(self._name, delivery.event_id, now, attempts, made.kept, receipt)
            case TryAgain() as failure:
                return self._postponed(delivery, failure, made.kept, is_alone=is_alone)
            case Undeliverable() as failure:
                return self._given_up(delivery, attempts, failure, made.kept)

    def _postponed(
        self, delivery: Delivery, failure: TryAgain, attempt: Attempt, *, is_alone: bool
    ) -> Postponed | SetAside:
        attempts, breaker = delivery.attempts + 1, self._standing.breaker
        failing_for = breaker.failing_for(asyncio.get_running_loop().time())
        wait = delay(attempts, failing_for, self._around.dice(), failure.after)
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
        self, delivery: Delivery, attempts: int, failure: TryAgain | Undeliverable, attempt: Attempt | None
    ) -> SetAside:
        event_id, reason, now = delivery.event_id, failure.reason, self._around.clock()
        log.error("delivery_set_aside", destination=self._name, event_id=event_id, reason=reason, attempts=attempts)
        self._around.observer.set_aside(self._name, reason, 1)
        return SetAside(self._name, event_id, now, attempts, reason, failure.words, attempt)
