"""One attempt: render, deliver, and what follows from the answer.

Rules:
(1) An attempt carries a batch of events that share its fate. A batch that is refused for good is tried again event by
    event, so that one bad event dooms no other.
(2) A failure that may pass is tried again after `backoff.delay`, until `give_up_after` since the event's first attempt
    here: there is one last attempt at that time, and then it is set aside with its cause. Counted from the first
    attempt, a router that was down, an open breaker or a replay days later takes no time away.
(3) Refused credentials (401, 403) are nobody's event's fault: the event waits with its destination, however long.
(4) What is refused for good is set aside at once.
(5) Here is the boundary for what nobody expected. It is logged with its traceback and counts as a failure that may
    pass, `internal_error`; an event that can't be rendered does not count against the destination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

from router.delivery.backoff import delay
from router.delivery.breaker import Breaker
from router.delivery.channel import Channel, Surroundings
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.outbox import Accepted, Delivery, Postponed, SetAside, Settlement
from router.telemetry.causes import Cause
from router.telemetry.logs import logger

log = logger()

RENDERED_AT_ONCE = 8
"""Documents of a batch that are rendered before others get their turn: the gate shares this event loop."""

_MISTAKE = TryAgain("internal_error")


class Attempts:
    """Makes attempts at one destination and learns from them."""

    def __init__(self, channel: Channel, around: Surroundings) -> None:
        self._destination = channel.destination
        self._name = channel.destination.name
        self._render = channel.render
        self._around = around
        self.breaker = Breaker()
        """What is known about the destination."""

    async def make(self, batch: Sequence[Delivery], record: Callable[[Settlement], None]) -> None:
        """Try to deliver these; `record` is told what becomes of each as soon as it is known."""
        documents: list[Document] = []
        sent: list[Delivery] = []
        for number, delivery in enumerate(batch, 1):
            if (document := self._document(delivery)) is None:
                record(self._settlement(delivery, _MISTAKE))
            else:
                documents.append(document)
                sent.append(delivery)
            if number % RENDERED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if not sent:
            return
        outcome = await self._outcome(documents)
        if len(sent) == 1 or not isinstance(outcome, Undeliverable):
            for delivery in sent:
                record(self._settlement(delivery, outcome))
            return
        for delivery, document in zip(sent, documents, strict=True):
            record(self._settlement(delivery, await self._outcome([document])))

    def _document(self, delivery: Delivery) -> Document | None:
        try:
            document = self._render(delivery.event_id, delivery.body)
        except Exception:  # (5)
            log.exception("rendering_failed", destination=self._name, event_id=delivery.event_id)
            return None
        if document.is_fallback:
            self._around.observer.fell_back(self._name)
        return document

    async def _outcome(self, documents: Sequence[Document]) -> Outcome:
        outcome: Outcome
        try:
            outcome = await self._destination.deliver(documents)
        except Exception:  # (5)
            log.exception("delivery_failed", destination=self._name)
            outcome = _MISTAKE
        self._around.observer.attempted(self._name, outcome.label)
        self._learn(outcome)
        return outcome

    def _learn(self, outcome: Outcome) -> None:
        breaker, was_closed, was_refused = self.breaker, self.breaker.is_closed, self.breaker.is_refused
        match outcome:
            case Delivered() | Undeliverable():  # who refuses one event for good is not down
                breaker.accepted()
            case TryAgain(reason, after, pauses):
                now = asyncio.get_running_loop().time()
                breaker.failed(now, self._around.dice(), after=after, refused=pauses)
                if was_closed and not breaker.is_closed and not pauses:
                    pause = round(breaker.wait(now), 1)
                    log.warning("destination_down", destination=self._name, reason=reason, pause_seconds=pause)
                    self._around.observer.trouble_began(Cause.DESTINATION_DOWN, self._name, reason)
            case _:
                assert_never(outcome)
        if breaker.is_closed and not was_closed:
            log.info("destination_up", destination=self._name)
            self._around.observer.trouble_ended(Cause.DESTINATION_DOWN, self._name)
        if breaker.is_refused is not was_refused:
            self._around.observer.refused(self._name, is_refused=breaker.is_refused)
            if breaker.is_refused:
                advice = "it is paused until somebody mends its credentials; its events are kept"
                log.error("destination_refuses_credentials", destination=self._name, advice=advice)

    def _settlement(self, delivery: Delivery, outcome: Outcome) -> Settlement:
        now, attempts = self._around.clock(), delivery.attempts + 1
        match outcome:
            case Delivered():
                self._around.observer.delivered(self._name, max(0.0, now - delivery.appended_at))
                return Accepted(self._name, delivery.event_id, now, attempts)
            case TryAgain():
                return self._postponed(delivery, outcome, now, attempts)
            case Undeliverable(reason):
                return self._given_up(delivery, now, attempts, reason)

    def _postponed(self, delivery: Delivery, failure: TryAgain, now: float, attempts: int) -> Postponed | SetAside:
        first = now if delivery.first_attempt_at is None else delivery.first_attempt_at
        failing_for = self.breaker.failing_for(asyncio.get_running_loop().time())
        due = now + delay(attempts, failing_for, self._around.dice(), failure.after)
        if not failure.pauses:
            end = first + self._destination.give_up_after
            if now >= end:
                return self._given_up(delivery, now, attempts, failure.reason)
            due = min(due, end)
        return Postponed(self._name, delivery.event_id, due, attempts, first, failure.reason)

    def _given_up(self, delivery: Delivery, now: float, attempts: int, reason: str) -> SetAside:
        event_id = delivery.event_id
        log.error("delivery_set_aside", destination=self._name, event_id=event_id, reason=reason, attempts=attempts)
        self._around.observer.set_aside(self._name, reason)
        return SetAside(self._name, event_id, now, attempts, reason)
