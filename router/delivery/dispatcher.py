"""All lanes: started, woken when events are stored, replaced when the configuration changes, stopped in good order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from router.delivery.channel import Channel, Deliveries, Observer, Surroundings
from router.delivery.lane import Lane


class Dispatcher:
    """Runs a lane per destination.

    Args:
        outbox: Where deliveries are claimed and settled.
        observer: Who counts.
        clock: Seconds since 1970: when deliveries are due, and since when they are tried.
        dice: Evenly from [0, 1): the jitter of delays and pauses.
    """

    def __init__(
        self,
        outbox: Deliveries,
        observer: Observer,
        *,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._around = Surroundings(outbox, observer, clock, dice)
        self._lanes: dict[str, Lane] = {}
        self._turn = asyncio.Lock()
        outbox.subscribe(self._wake)

    async def replace(self, channels: Mapping[str, Channel], patience: float = 5.0) -> None:
        """Deliver by these channels from now on.

        A lane whose channel is the same goes on. Another ends, and its claims are given back, before one of the same
        name begins, so that no event is under way twice; destinations do not wait for each other.

        Args:
            channels: By name of their destination.
            patience: Seconds that attempts under way get to end.
        """
        async with self._turn:
            names = self._lanes.keys() | channels.keys()
            await asyncio.gather(*(self._replace(name, channels.get(name), patience) for name in sorted(names)))

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
            return
        if before is not None:
            del self._lanes[name]
            await before.stop(patience)
        if channel is not None:
            lane = self._lanes[name] = Lane(channel, self._around)
            lane.start()

    def _wake(self, destinations: frozenset[str]) -> None:
        for name in destinations:
            if (lane := self._lanes.get(name)) is not None:
                lane.wake()
