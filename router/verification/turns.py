"""Whose question is asked next: turns, shared fairly. Pure: decides, starts nothing, and knows no clock.

A question is about one image, from its tag to the last piece of evidence. It waits, gets its turn, and ends.

Rules:
(1) Bounded: of one request at most 16 are under way, at one registry 32, over all 96. Each holds at most eight
    connections, so that verification as a whole holds at most 768 of them.
(2) Turns go round the namespaces, and within a namespace round its requests; who was served goes to the end of the
    line. A request asks its registries in turn, and each of them in the order of its images.
(3) A turn of a dry run costs four: its namespace is passed over three times, and in its namespace it comes after four
    turns of others. It is slower and never starved, and where nobody else waits it waits for nobody.
(4) Work-conserving: where a request below its limit waits for a registry below its limit, and there is room over all,
    somebody gets a turn. A registry that is full holds up nobody who asks another.
(5) Who holds more than others makes room. Where something is full for a waiter, a question that has been under way
    for a second or more goes back to the end of its line if its namespace (within a namespace: its request) would
    still hold no less than the waiter's after the exchange. No share is ever taken below what is fair, so whatever is
    slow but within its share comes to its end.
(6) What is full over all also makes room by this: a question at a silent registry gives way to one at a registry that
    is not (`router.verification.silence`). Many namespaces can each hold a little at silent hosts. Hosts that trickle
    are not silent: a question that has been under way for long gives way to one at a registry that ends them sooner.
(7) What waits is bounded: beyond 65,536 the largest request of the namespace with the most waiting loses its last.
(8) Nothing stays: a request, namespace or registry with nothing waiting and nothing under way is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic

from router.verification.line import DRY_RUN_COST, Asker, NamespaceLine, QueuedRequest, T, Turn
from router.verification.room import Registries, RoomLimits
from router.verification.silence import RegistrySilence

GRACE_SECONDS = 1.0
"""How long a turn is left alone, whoever has it."""


class Turns(Generic[T]):
    """Every question that waits or is under way."""

    def __init__(self, limits: RoomLimits | None = None) -> None:
        self._limits = limits or RoomLimits()
        self._namespaces: OrderedDict[str, NamespaceLine[T]] = OrderedDict()
        self._registries = Registries(self._limits.per_registry)
        self._under_way: OrderedDict[Turn[T], None] = OrderedDict()
        self.silence = RegistrySilence()
        self.waiting = 0

    @property
    def under_way(self) -> int:
        """How many questions are being asked."""
        return len(self._under_way)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is remembered."""
        return not (self._namespaces or self._registries or self._under_way or self.waiting)

    def all_waiting(self) -> Iterator[Turn[T]]:
        """Every question that waits."""
        for namespace in self._namespaces.values():
            for request in namespace.in_order():
                for lane in request.lanes.values():
                    yield from lane

    def ask(self, turn: Turn[T]) -> None:
        """Put a question at the end of its request's line."""
        asker = turn.asker
        namespace = self._namespaces.get(asker.namespace)
        if namespace is None:
            namespace = self._namespaces[asker.namespace] = NamespaceLine(asker.namespace)
        ring = namespace.ring(asker)
        request = ring.get(asker)
        if request is None:
            request = ring[asker] = QueuedRequest(asker)
        if turn.registry not in request.lanes:
            request.lanes[turn.registry] = deque()
        request.lanes[turn.registry].append(turn)
        self._count_waiting(namespace, request, turn.registry, 1)

    def shed(self) -> list[Turn[T]]:
        """Drop what waits beyond the limit (7); call it after asking."""
        dropped: list[Turn[T]] = []
        while self.waiting > self._limits.waiting:
            namespace = max(self._namespaces.values(), key=lambda one: one.waiting)
            request = max(namespace.in_order(), key=lambda one: one.waiting)
            registry = max(request.lanes, key=lambda name: len(request.lanes[name]))
            excess = min(self.waiting - self._limits.waiting, len(request.lanes[registry]))
            dropped += self._drop(namespace, request, registry, excess)
        return dropped

    def next(self, now: float) -> Turn[T] | None:
        """Give the next one its turn; None where nobody may have one now."""
        if not self._registries.open or len(self._under_way) >= self._limits.overall:
            return None
        while True:
            ready = ((one, request) for one in self._namespaces.values() if (request := self._ready(one, None)))
            namespace, request = next(ready, (None, None))
            if namespace is None or request is None:
                return None
            if not namespace.debt:
                return self._start(namespace, request, self._lane(request, None), now)
            namespace.debt -= 1
            self._namespaces.move_to_end(namespace.name)

    def end(self, turn: Turn[T], now: float, *, by_itself: bool = True) -> None:
        """Whoever had this turn is done; not by itself where its time was over."""
        if by_itself:
            self.silence.broken(turn.registry, now)
        self._stop(turn)
        self._tidy(turn.asker, turn.registry)

    def withdraw(self, asker: Asker, is_meant: Callable[[T], bool]) -> None:
        """Forget those questions of a request that still wait and are meant."""
        namespace = self._namespaces.get(asker.namespace)
        request = namespace.ring(asker).get(asker) if namespace is not None else None
        if namespace is None or request is None:
            return
        for registry, lane in list(request.lanes.items()):
            kept = deque(turn for turn in lane if not is_meant(turn.question))
            self._count_waiting(namespace, request, registry, len(kept) - len(lane))
            request.lanes[registry] = kept
            if not kept:
                del request.lanes[registry]
            self._tidy_registry(registry)
        self._tidy_asker(asker)

    def exchange(self, now: float) -> tuple[Turn[T], Turn[T]] | None:
        """Make room for one who waits for something full (5, 6); call it again until there is None.

        Returns:
            Whose turn is over for now, waiting again, and whose begins.
        """
        old = [turn for turn in self._under_way if now - turn.since >= GRACE_SECONDS]
        rooms: list[str | None] = [None] if len(self._under_way) >= self._limits.overall else []
        rooms += [
            name for name in dict.fromkeys(turn.registry for turn in old) if self._registries.is_full_for_somebody(name)
        ]
        for room in rooms if old else ():
            holders = [turn for turn in old if room is None or turn.registry == room]
            found = self._pair(holders, room, now)
            if found is not None:
                return self._exchanged(*found, room, now)
        return None

    def _pair(
        self, holders: list[Turn[T]], room: str | None, now: float
    ) -> tuple[Turn[T], NamespaceLine[T], QueuedRequest[T]] | None:
        waiters = [
            (namespace, request)
            for namespace in self._namespaces.values()
            if (request := self._ready(namespace, room)) is not None
        ]
        if not waiters or not holders:
            return None
        largest = max(holders, key=lambda turn: (self._left(turn), self._request(turn).load))
        least, request = min(waiters, key=lambda waiter: waiter[0].load)
        if self._left(largest) >= least.load + request.asker.cost:
            return largest, least, request
        for namespace, request in waiters:
            here = [turn for turn in holders if turn.asker.namespace == namespace.name]
            turn = max(here, key=lambda one: self._request(one).load, default=None)
            if turn is not None and self._request(turn).load - turn.asker.cost >= request.load + request.asker.cost:
                return turn, namespace, request
        if room is not None:
            return None
        lanes = [(self._lane(waiter[1], None), waiter) for waiter in waiters]
        found = self.silence.exchange(self._under_way, holders, lanes, now)
        return None if found is None else (found[0], *found[1])

    def _left(self, turn: Turn[T]) -> int:
        """What the namespace of a turn would still hold without it."""
        return self._namespaces[turn.asker.namespace].load - turn.asker.cost

    def _exchanged(
        self, turn: Turn[T], namespace: NamespaceLine[T], request: QueuedRequest[T], room: str | None, now: float
    ) -> tuple[Turn[T], Turn[T]]:
        self._stop(turn)
        started = self._start(namespace, request, self._lane(request, room), now)
        self.ask(turn)
        return turn, started

    def _ready(self, namespace: NamespaceLine[T], room: str | None) -> QueuedRequest[T] | None:
        """The request of a namespace that would have its turn: in this full room, or in any that is not full."""
        if not namespace.waiting:
            return None
        most, meant = self._limits.per_request, self._registries.open if room is None else {room}
        for request in namespace.in_order():
            if request.under_way < most and not meant.isdisjoint(request.lanes):
                return request
        return None

    def _lane(self, request: QueuedRequest[T], room: str | None) -> str:
        at = self._registries.open
        return room if room is not None else next(registry for registry in request.lanes if registry in at)

    def _start(self, namespace: NamespaceLine[T], request: QueuedRequest[T], registry: str, now: float) -> Turn[T]:
        turn = request.lanes[registry].popleft()
        self._count_waiting(namespace, request, registry, -1)
        if request.lanes[registry]:
            request.lanes.move_to_end(registry)
        else:
            del request.lanes[registry]
        asker = request.asker
        namespace.ring(asker).move_to_end(asker)
        self._namespaces.move_to_end(namespace.name)
        namespace.debt += asker.cost - 1
        namespace.favours = 0 if asker.is_dry_run else min(namespace.favours + 1, DRY_RUN_COST)
        turn.since = now
        self._under_way[turn] = None
        request.under_way += 1
        namespace.load += asker.cost
        self._registries.count(registry, under_way=1)
        return turn

    def _stop(self, turn: Turn[T]) -> None:
        del self._under_way[turn]
        self._request(turn).under_way -= 1
        self._namespaces[turn.asker.namespace].load -= turn.asker.cost
        self._registries.count(turn.registry, under_way=-1)

    def _drop(self, namespace: NamespaceLine[T], request: QueuedRequest[T], registry: str, count: int) -> list[Turn[T]]:
        lane = request.lanes[registry]
        dropped = [lane.pop() for _ in range(count)]
        self._count_waiting(namespace, request, registry, -count)
        if not lane:
            del request.lanes[registry]
        self._tidy(request.asker, registry)
        return dropped

    def _count_waiting(self, namespace: NamespaceLine[T], request: QueuedRequest[T], registry: str, count: int) -> None:
        request.waiting += count
        namespace.waiting += count
        self.waiting += count
        self._registries.count(registry, waiting=count)

    def _tidy(self, asker: Asker, registry: str) -> None:
        self._tidy_registry(registry)
        self._tidy_asker(asker)

    def _tidy_registry(self, registry: str) -> None:
        if self._registries.forget_idle(registry):
            self.silence.forget(registry)

    def _tidy_asker(self, asker: Asker) -> None:
        namespace = self._namespaces[asker.namespace]
        request = namespace.ring(asker)[asker]
        if not (request.waiting or request.under_way):
            del namespace.ring(asker)[asker]
        if not (namespace.ordinary or namespace.dry_runs):
            del self._namespaces[namespace.name]

    def _request(self, turn: Turn[T]) -> QueuedRequest[T]:
        return self._namespaces[turn.asker.namespace].ring(turn.asker)[turn.asker]
