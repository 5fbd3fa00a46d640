"""One destination's deliveries, in order: claim, render, deliver, settle.

A feeder claims ahead; a fixed set of slots makes the attempts; settlements are recorded in the background.

Rules:
(1) Lanes know nothing of each other: a destination that is down or slow disturbs no other.
(2) At most `destination.concurrency` attempts are under way. One is under way until its settlement is durable: a crash
    repeats no others.
(3) While the breaker is open nothing is claimed and nobody is asked; then one event at a time probes, the newest that
    was never tried.
(4) A lane that stops looks once more at what it was told of, then claims nothing more, lets attempts under way end
    within its patience, and gives every claim back that is not settled: a lane that follows it, in this process or the
    next, finds all of it.
(5) A mistake of ours ends no lane: it is logged, and the lane goes on.
(6) Nothing is asked again and again: a lane that has found all that is due rests until the next is due by time, or it
    is woken because something is due earlier.
(7) What is more urgent than all that was claimed is claimed beyond it, and goes first: it waits for attempts under way,
    and for `GATHER`, not for what was only claimed ahead.
(8) What is claimed is bounded in bytes, for this lane and for all together (`budget`).
(9) An incomplete batch waits for more where the destination says so (`linger`), but not where one probes.
(10) After a claim that found a few new events and nothing else, the next one waits for `GATHER`: a claim, an attempt
    and a settlement have a price of their own, and what comes meanwhile is one claim. Where many wait, they do not wait
    for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from router.delivery.attempts import Attempts
from router.delivery.budget import LANE_BYTES, URGENT_BYTES
from router.delivery.calls import Calls, Tasks, cancelled
from router.delivery.channel import Channel, LaneResources
from router.delivery.linger import Linger
from router.delivery.news import GATHER, NewsSignal
from router.delivery.ready import Ready
from router.delivery.settling import SettlementWriter
from router.errors import OutboxError
from router.outbox import Delivery, Settlement, Wanted
from router.outbox.protocol import OLDEST_EVERY
from router.telemetry.going_on import awaited_or_else
from router.telemetry.logs import logger

log = logger()

AGAIN = 1.0
"""Seconds before a lane goes on after a mistake of ours, or when the outbox has trouble."""
CHUNK = 256
"""Events that are claimed at once, and so held in memory, at most; more only where `concurrency` batches are more."""
AHEAD = 8
"""Rounds of attempts that are claimed at once."""
LEAST_CHUNK = 32
"""Events that are claimed at once, at least: claiming has a price of its own."""
LEAST_REST = 0.01
"""Seconds between two looks that find nothing."""
FEW = 100
"""Events of a claim after which the next one waits: an outbox may give less than it is asked for, but not so little."""
QUIET = 0.05
"""Seconds without news after which a lane asks when the next is due: while there is news it will look anyway."""


class Lane:
    """Delivers to one destination until it is stopped."""

    def __init__(self, channel: Channel, around: LaneResources) -> None:
        self.channel = channel
        destination = channel.destination
        self._destination = destination
        self._name = destination.name
        self._queue, self._budget, self._observer = around.queue, around.budget, around.observer
        self._attempts = Attempts(channel, around)
        self._breaker = channel.standing.breaker
        self._settling = SettlementWriter(self._name, around.queue, self._call_for_ready)
        self._batch = destination.batch_size
        self._round = destination.concurrency * destination.batch_size
        self._chunk = max(min(max(AHEAD * self._round, LEAST_CHUNK), CHUNK), self._round)
        self._enough = max(self._chunk // 2, self._round)
        self._ready = Ready(self._batch, self._attempts.suspects)
        self._underway: dict[str, Delivery] = {}
        self._repeats = self._held = self._claimed = 0
        self._idle, self._news = Calls(), NewsSignal()
        self._linger = Linger(destination, self._call_for_ready)
        self._is_stopping = False
        self._feeder: Tasks = ()
        self._recorder: Tasks = ()
        self._slots: Tasks = ()

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self.channel.standing.wake = self._news.tell
        self._observer.refused(self._name, is_refused=self._breaker.is_refused)
        self._recorder = (asyncio.create_task(self._settling.run()),)
        self._slots = [asyncio.create_task(self._slot()) for _ in range(self._destination.concurrency)]
        self._feeder = (asyncio.create_task(self._feed()),)

    @property
    def has_ended(self) -> bool:
        """Whether a task of it has ended that nobody has stopped: something would not be delivered any more."""
        return not self._is_stopping and any(task.done() for task in (*self._feeder, *self._slots, *self._recorder))

    def wake(self) -> None:
        """There may be something to deliver; while there is enough in hand, only its urgency matters."""
        if len(self._ready) < self._enough:
            self._news.tell()
        else:
            self._news.tell_soon()

    def hurry(self) -> None:
        """Somebody has mended something: try at once what waits for a pause to pass."""
        self._breaker.hurry(asyncio.get_running_loop().time())
        self._news.tell()

    async def stop(self, patience: float) -> None:
        """Let attempts that are under way end, for so many seconds at most, and give the rest back."""
        end = asyncio.get_running_loop().time() + patience
        if self._news.are_coming:
            await asyncio.sleep(min(2 * GATHER, patience))  # what was gathered last is under way by then
        self._is_stopping = True
        self._news.tell()
        self._idle.call()
        try:
            async with asyncio.timeout_at(end):
                await asyncio.wait([*self._feeder, *self._slots])  # gather would end with the first that has failed
                await self._settling.until_idle()
        except TimeoutError:
            log.warning("attempts_cut", destination=self._name, count=len(self._underway) + self._settling.count)
        finally:
            self._news.end()
            await cancelled([*self._feeder, *self._slots, *self._recorder])
            await self._give_back([*self._ready.clear(), *self._underway.values(), *self._settling.undurable])
            self._underway.clear()
            self._hold(-self._held)
            self._observer.refused(self._name, is_refused=False)
            await self._destination.close()

    async def _give_back(self, claims: Iterable[Delivery | Settlement]) -> None:
        try:
            await self._queue.release(self._name, [claim.event_id for claim in claims])
        except OutboxError:  # they end with the process
            log.exception("claims_kept", destination=self._name)

    async def _give_back_ready(self) -> None:
        if ready := self._ready.clear():
            self._hold(-sum(len(one.body) for one in ready))
            await self._give_back(ready)

    def _hold(self, count: int) -> None:
        """So many bytes more are held, or less."""
        self._held += count
        if count > 0:
            self._budget.take(count)
        elif count < 0:
            self._budget.give(-count)

    async def _feed(self) -> None:
        while not self._is_stopping:  # never cancelled in the middle of a claim, unless patience ends
            await awaited_or_else(self._look_for_work, _rest, "claim_failed", destination=self._name)  # (5)

    async def _look_for_work(self) -> None:
        self._news.taken()
        if (pause := self._pause()) > 0:
            await self._give_back_ready()
            await self._news.wait(pause)
            return
        self._call_for_ready()  # a slot that saw the last of a pause has taken nothing
        is_probing = not self._breaker.is_closed
        if is_probing and len(self._ready) > 1:  # it has opened and the pause has passed meanwhile
            await self._give_back_ready()
        if is_probing and (self._ready or self._underway):
            await self._news.wait()
            return
        wanted = self._wanted()
        if is_probing:
            wanted = replace(wanted, limit=1, is_probe=True)
        if wanted.limit:
            await self._claim(wanted, is_probing=is_probing)
        else:
            await self._claim_more_urgent()

    def _wanted(self) -> Wanted:
        """What there is room for; for nothing where the limit is 0."""
        room, is_idle = min(LANE_BYTES - self._held, self._budget.room), not self._held
        is_full = len(self._ready) >= self._enough or (room <= 0 and not is_idle)
        if self._budget.room <= 0:
            self._budget.wait(self._news.tell)
        limit = 0 if is_full else 1 if room <= 0 else self._chunk
        return Wanted(limit, max(0, room), turn=self._claimed % OLDEST_EVERY)

    async def _claim(self, wanted: Wanted, *, is_probing: bool) -> None:
        claimed = await self._asked(wanted)
        if not is_probing and (self._pause() or not self._breaker.is_closed):  # it opened meanwhile
            await self._give_back(claimed)
            return
        self._claimed += len(claimed)
        self._put(claimed)
        if not claimed or (len(claimed) < wanted.limit and wanted.room >= LANE_BYTES // 2):
            if self._are_few_and_new(claimed, wanted.room):
                await asyncio.sleep(GATHER)  # (10)
            await self._rest_until_due()

    @staticmethod
    def _are_few_and_new(claimed: Sequence[Delivery], room: int) -> bool:
        """Whether a claim was hardly worth its price, and nothing is due by time: none of these was tried before."""
        are_few = 0 < len(claimed) < FEW and sum(len(one.body) for one in claimed) <= room // 2
        return are_few and not any(one.attempts for one in claimed)

    async def _claim_more_urgent(self) -> None:
        """Rule (7), one event where all lanes together hold enough; then wait for news."""
        own = LANE_BYTES + URGENT_BYTES - self._held
        if self._ready and own > 0 and len(self._ready) < 2 * self._chunk:
            room = min(own, max(0, self._budget.room))
            wanted = Wanted(self._round if room else 1, room, above=self._ready.most_urgent)
            self._put(await self._asked(wanted))
        await self._news.wait()

    async def _asked(self, wanted: Wanted) -> Sequence[Delivery]:
        self._budget.take(wanted.room)  # others claim meanwhile
        try:
            return await self._queue.claim(self._name, wanted)
        finally:
            self._budget.give(wanted.room)

    def _put(self, claimed: Sequence[Delivery]) -> None:
        self._hold(sum(len(one.body) for one in claimed))
        self._ready.put(claimed)
        self._call_for_ready()

    def _pause(self) -> float:
        """Seconds for which nothing may be tried."""
        now = asyncio.get_running_loop().time()
        return max(self._breaker.wait(now), self.channel.standing.pace.wait(now))

    async def _rest_until_due(self) -> None:
        await self._news.wait(QUIET)
        if self._news:
            return
        due = await self._queue.next_due(self._name)
        await self._news.wait(None if due is None else max(LEAST_REST, due))

    async def _slot(self) -> None:
        while not self._is_stopping:
            batch = self._taken()
            if not batch:
                await self._idle.wait()
                continue
            attempt, drop = partial(self._attempt, batch), partial(self._drop, batch)
            self._repeats += (is_repeat := bool(batch[0].attempts))
            await awaited_or_else(attempt, drop, "slot_failed", destination=self._name)  # (5)
            self._repeats -= is_repeat

    async def _attempt(self, batch: Sequence[Delivery]) -> None:
        was_closed = self._breaker.is_closed
        if rest := await self._attempts.make(batch, self._record):
            await self._give_back([self._ended(one.event_id) for one in rest])
        if not (was_closed and self._breaker.is_closed) or self._pause() or not self._held:
            self._news.tell()

    async def _drop(self, batch: Sequence[Delivery]) -> None:
        """Give back what was not recorded of an attempt; not at once, since it may fail again."""
        await _rest()
        await self._give_back([self._ended(one.event_id) for one in batch if one.event_id in self._underway])

    def _record(self, settlement: Settlement) -> None:
        self._ended(settlement.event_id)
        self._settling.put(settlement)

    def _ended(self, event_id: str) -> Delivery:
        delivery = self._underway.pop(event_id)
        self._hold(-len(delivery.body))
        return delivery

    def _taken(self) -> Sequence[Delivery]:
        """The next batch, marked as under way; nothing where there is none or the window is full."""
        ready = self._ready
        count = min(self._batch, len(ready))
        if count == 0 or len(self._underway) + self._settling.count + count > self._round:
            return ()
        if is_paused := self._pause() > 0:
            self._news.tell()  # what was sent for a receipt may have begun it
        if is_paused or self._linger.holds(ready, is_probing=not self._breaker.is_closed):
            return ()
        batch = ready.take(is_repeat_allowed=2 * self._repeats < self._destination.concurrency)
        self.channel.standing.pace.began(asyncio.get_running_loop().time())
        for delivery in batch:
            self._underway[delivery.event_id] = delivery
        if len(ready) < self._enough:
            self._news.tell()
        return batch

    def _call_for_ready(self) -> None:
        """Call as many slots as there are batches, and room for them (each settlement makes some): no more, in vain."""
        self._idle.call(self._ready.batches(self._round - len(self._underway) - self._settling.count))


async def _rest() -> None:
    await asyncio.sleep(AGAIN)
