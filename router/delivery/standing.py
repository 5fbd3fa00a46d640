"""How we stand with one destination: every attempt there is counted, and teaches, whoever makes it.

What is refused (401, 403) is an event where it was sent alone, or where the answer says so of each. A batch that is
refused as a whole says of no event that it was, and is one failure.

Lanes wait for the breaker. Who must have a receipt before a deadline (`receipts`) does not: its attempts are probes
that cost nothing more, and one that is accepted lets the lane go on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from router.delivery.breaker import Breaker
from router.delivery.observer import DeliveryObserver
from router.delivery.pace import DeliveryPace
from router.destinations.document import Destination, Document
from router.destinations.outcome import (
    AttemptOutcome,
    Delivered,
    EachOutcome,
    Outcome,
    PendingReceipt,
    TryAgain,
    Undeliverable,
    gist,
)
from router.fields import Rate
from router.telemetry.causes import Cause
from router.telemetry.going_on import awaited_or_else
from router.telemetry.logs import logger

log = logger()

MISTAKE = TryAgain("internal_error")
"""What nobody expected: it counts as a failure that may pass."""


class DestinationStanding:
    """What is known about a destination."""

    def __init__(self, rate: Rate | None = None) -> None:
        self.breaker = Breaker()
        self.pace = DeliveryPace(rate)
        self.wake: Callable[[], None] | None = None
        """Called when the breaker opens or closes."""
        self._accepted_at: float | None = None

    def was_accepting(self, seconds: float) -> bool:
        """Whether something was accepted within the last so many seconds."""
        return self._accepted_at is not None and asyncio.get_running_loop().time() - self._accepted_at < seconds

    async def attempt(
        self,
        destination: Destination,
        documents: Sequence[Document],
        observer: DeliveryObserver,
        dice: Callable[[], float],
        *,
        is_new: bool,
    ) -> AttemptOutcome:
        """Deliver these; `is_new` if they were never tried. Raises nothing of the receiver."""
        # else the attempt would be counted nowhere, teach nothing, and be made again at once
        deliver, clock = partial(destination.deliver, documents), asyncio.get_running_loop().time
        was_held = self.breaker.is_held(clock())
        answer = await awaited_or_else(deliver, _mistaken, "delivery_failed", destination=destination.name)
        observer.attempted(destination.name, gist(answer).label)
        if was_held and isinstance(gist(answer), Delivered):
            self.breaker.hurry(clock())
            if self.wake is not None:
                self.wake()
        self._learn(destination.name, [one.event_id for one in documents], answer, observer, dice, is_new=is_new)
        return answer

    def _learn(
        self,
        name: str,
        ids: Sequence[str],
        answer: AttemptOutcome,
        observer: DeliveryObserver,
        dice: Callable[[], float],
        *,
        is_new: bool,
    ) -> None:
        breaker, was_closed, was_refused = self.breaker, self.breaker.is_closed, self.breaker.is_refused
        now, outcome = asyncio.get_running_loop().time(), gist(answer)
        match outcome:
            case Delivered():
                self._accepted_at = now
                breaker.answered()
            case PendingReceipt() | Undeliverable():  # who refuses one event for good is not down
                breaker.answered()
            case TryAgain(after=after) if refused := _refused(ids, answer):
                for event_id in refused:
                    breaker.refused(event_id, now, dice(), after=after)
            case TryAgain(after=after):
                breaker.failed(ids[0], now, dice(), is_new=is_new, after=after)
            case _:
                assert_never(outcome)
        if breaker.is_refused is not was_refused:
            observer.refused(name, is_refused=breaker.is_refused)
        if breaker.is_closed is not was_closed or breaker.is_refused is not was_refused:
            self._tell(name, outcome, observer, now)

    def _tell(self, name: str, outcome: Outcome, observer: DeliveryObserver, now: float) -> None:
        if self.wake is not None:
            self.wake()
        if self.breaker.is_closed:
            log.info("destination_up", destination=name)
            observer.trouble_ended(Cause.DESTINATION_DOWN, name)
        elif self.breaker.is_refused:
            advice = "it is paused until somebody mends what it refuses us for; its events are kept"
            reason = "" if isinstance(outcome, Delivered) else outcome.reason
            log.error("destination_refuses_us", destination=name, reason=reason, advice=advice)
        elif isinstance(outcome, TryAgain):
            pause = round(self.breaker.wait(now), 1)
            log.warning("destination_down", destination=name, reason=outcome.reason, pause_seconds=pause)
            observer.trouble_began(Cause.DESTINATION_DOWN, name, outcome.reason)


def _refused(ids: Sequence[str], answer: AttemptOutcome) -> Sequence[str]:
    """Those of whom the answer says that they were refused for our credentials."""
    if isinstance(answer, EachOutcome):
        each = zip(ids, answer.outcomes, strict=True)
        return [one for one, outcome in each if isinstance(outcome, TryAgain) and outcome.pauses]
    return ids if len(ids) == 1 and isinstance(answer, TryAgain) and answer.pauses else ()


async def _mistaken() -> AttemptOutcome:
    return MISTAKE
