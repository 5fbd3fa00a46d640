"""All lanes: started, woken when something is due, replaced when the configuration changes, stopped in good order.

What they have claimed is theirs together: claims of an earlier life are taken back before the first lane begins, and
are kept alive from then until no lane is left.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping

from router.delivery.channel import Channel, LaneResources
from router.delivery.lane import Lane
from router.delivery.observer import DeliveryObserver
from router.errors import OutboxError
from router.outbox import LEASE, Queue
from router.telemetry.causes import Cause
from router.telemetry.logs import logger

log = logger()

RENEWALS = 4
"""How often claims are renewed while they would last."""


class Dispatcher:
    """Runs a lane per destination.

    Args:
        queue: Where deliveries are claimed and settled.
        observer: Who counts.
        clock: Seconds since 1970: when deliveries are due, and since when they are tried.
        dice: Evenly from [0, 1): the jitter of delays and pauses.
    """

    def __init__(
        self,
        queue: Queue,
        observer: DeliveryObserver,
        *,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._around = LaneResources(queue, observer, clock, dice)
        self._lanes: dict[str, Lane] = {}
        self._turn = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        queue.subscribe(self._wake, self._hurry)

    async def replace(self, channels: Mapping[str, Channel], patience: float = 5.0) -> None:
        """Deliver by these channels from now on.

        A lane whose channel is the same goes on. Another ends, and its claims are given back, before one of the same
        name begins, so that no event is under way twice; destinations do not wait for each other.

        Args:
            channels: By name of their destination.
            patience: Seconds that attempts under way get to end.

        Raises:
            OutboxError: Nothing can be taken back from an earlier life.
        """
        async with self._turn:
            if channels and self._renewing is None:
                await self._around.queue.rescue()
                self._renewing = asyncio.create_task(self._renew())
            names = self._lanes.keys() | channels.keys()
            await asyncio.gather(*(self._replace(name, channels.get(name), patience) for name in sorted(names)))
            if not channels and self._renewing is not None:
                self._renewing.cancel()
                await asyncio.gather(self._renewing, return_exceptions=True)
                self._renewing = None

    async def stop(self, patience: float) -> None:
        """Claim nothing more, give attempts under way so many seconds to end, and give the rest back."""
        await self.replace({}, patience)

    @property
    def failure(self) -> str:
        """Which lanes have ended although nobody has stopped them, in words; empty while none has."""
        ended = [name for name, lane in self._lanes.items() if lane.has_ended]
        return f"deliveries to {', '.join(ended)} have ended" if ended else ""

    async def _replace(self, name: str, channel: Channel | None, patience: float) -> None:
        before = self._lanes.get(name)
        if before is not None and before.channel is channel:
            before.hurry()  # who reloads may have mended what it depends on
            return
        if before is not None:
            del self._lanes[name]
            await before.stop(patience)
            if channel is not None:  # what was known about the destination is not known of the new one
                self._around.observer.trouble_ended(Cause.DESTINATION_DOWN, name)
        if channel is not None:
            lane = self._lanes[name] = Lane(channel, self._around)
            lane.start()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE / RENEWALS)
            try:
                await self._around.queue.renew()
            except OutboxError:  # there is time for others
                log.exception("claims_not_renewed")

    def _wake(self, destinations: Collection[str] | None) -> None:
        for name in self._lanes if destinations is None else destinations:
            if (lane := self._lanes.get(name)) is not None:
                lane.wake()

    def _hurry(self) -> None:
        """Somebody has replayed, and may have mended what a destination is waited for."""
        for lane in self._lanes.values():
            lane.hurry()
