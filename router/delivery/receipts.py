"""Receipts that an admission waits for (`must_deliver`): told first, admitted afterwards.

Rules:
(1) Every destination is asked at once, and again after short pauses, until the deadline; one that refuses the event
    for good, refuses our credentials, or asks to wait beyond the deadline, is not asked again. At most as many wait for
    an answer at the same time as it takes requests: waiting for our own turn is no failure of the receiver.
(2) Nothing is stored here: the gate appends the event afterwards, with the receipts that were given. The event has no
    number yet, so it carries `sequence` 0.
(3) An attempt that the deadline cuts may still have arrived. No receipt was given; the event comes again, with the
    same id, or is corrected by another (`router.admission.recording`).
(4) Attempts are counted, and teach the breaker like those of lanes; but they do not wait for it. Whoever takes an
    event although it had asked us to wait no longer wants that.
(5) Nothing that fails here is anything but a missing receipt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from router.delivery.channel import Channel
from router.delivery.observer import DeliveryObserver
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, PendingReceipt, TryAgain, Undeliverable, gist
from router.events import with_sequence
from router.telemetry.going_on import awaited_or_else

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds between attempts."""


class Receipts:
    """Obtains receipts by the channels of one configuration; `observer` counts, `dice` are even in [0, 1)."""

    def __init__(
        self, channels: Mapping[str, Channel], observer: DeliveryObserver, *, dice: Callable[[], float] = random.random
    ) -> None:
        self._channels = channels
        self._turns = {name: asyncio.Semaphore(one.destination.concurrency) for name, one in channels.items()}
        self._observer = observer
        self._dice = dice

    async def obtain(self, body: bytes, event_id: str, destinations: Sequence[str], deadline: float) -> frozenset[str]:
        """Those who gave their receipt for this encoded event before the deadline (event loop's time)."""
        channels = self._channels
        whole = with_sequence(body, 0)
        asked = [name for name in destinations if name in channels]
        given = await asyncio.gather(*(self._obtained(channels[name], whole, event_id, deadline) for name in asked))
        return frozenset(name for name, is_given in zip(asked, given, strict=True) if is_given)

    async def _obtained(self, channel: Channel, whole: bytes, event_id: str, deadline: float) -> bool:
        ask = partial(self._asked, channel, whole, event_id, deadline)
        return await awaited_or_else(ask, _nobody, "receipt_failed", destination=channel.destination.name)  # (5)

    async def _asked(self, channel: Channel, whole: bytes, event_id: str, deadline: float) -> bool:
        try:
            document = channel.render(event_id, whole, "")
            async with asyncio.timeout_at(deadline):
                pause, is_first = SHORTEST, True
                while True:
                    match await self._attempt(channel, document, is_first=is_first):
                        case Delivered():
                            return True
                        case Undeliverable() | PendingReceipt() | TryAgain(pauses=True):  # later is too late
                            return False
                        case TryAgain(after=after):
                            left = deadline - asyncio.get_running_loop().time()
                            wait = max(min(pause, left / 2), after or 0.0)
                    if wait < SHORTEST or wait >= left:
                        return False
                    await asyncio.sleep(wait)
                    pause, is_first = min(LONGEST, pause * 2), False
        except TimeoutError:
            return False

    async def _attempt(self, channel: Channel, document: Document, *, is_first: bool) -> Outcome:
        async with self._turns[channel.destination.name]:
            channel.standing.pace.began(asyncio.get_running_loop().time())
            answer = await channel.standing.attempt(
                channel.destination, [document], self._observer, self._dice, is_new=is_first
            )
        return gist(answer)


async def _nobody() -> bool:
    return False
