"""Receipts that an admission waits for (`must_deliver`): told first, admitted afterwards.

Rules:
(1) Every destination is asked at once, and again after short pauses, until the deadline; one that refuses the event
    for good, or asks to wait beyond the deadline, is not asked again.
(2) Nothing is stored here: the gate appends the event afterwards, with the receipts that were given. The event has no
    number yet, so it carries `sequence` 0.
(3) An attempt that the deadline cuts may still have arrived. No receipt was given; the event comes again, with the
    same id, or is corrected by another (`router.admission.telling`).
(4) Nothing that fails here is anything but a missing receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from router.delivery.channel import Channel
from router.destinations.outcome import Delivered, TryAgain, Undeliverable
from router.events import with_sequence
from router.telemetry.logs import logger

log = logger()

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds between attempts."""


class Receipts:
    """Obtains receipts by the channels of one configuration."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels

    async def obtain(self, body: bytes, event_id: str, destinations: Sequence[str], deadline: float) -> frozenset[str]:
        """Those who gave their receipt for this encoded event before the deadline (event loop's time)."""
        channels = self._channels
        whole = with_sequence(body, 0)
        asked = [name for name in destinations if name in channels]
        given = await asyncio.gather(*(_obtained(channels[name], whole, event_id, deadline) for name in asked))
        return frozenset(name for name, is_given in zip(asked, given, strict=True) if is_given)


async def _obtained(channel: Channel, whole: bytes, event_id: str, deadline: float) -> bool:
    try:
        document = channel.render(event_id, whole)
        async with asyncio.timeout_at(deadline):
            pause = SHORTEST
            while True:
                match await channel.destination.deliver([document]):
                    case Delivered():
                        return True
                    case Undeliverable():
                        return False
                    case TryAgain(after=after):
                        wait = max(pause, after or 0.0)
                if asyncio.get_running_loop().time() + wait >= deadline:
                    return False
                await asyncio.sleep(wait)
                pause = min(LONGEST, pause * 2)
    except TimeoutError:
        return False
    except Exception:  # (4)
        log.exception("receipt_failed", destination=channel.destination.name)
        return False
