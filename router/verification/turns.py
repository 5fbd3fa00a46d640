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
(6) What is full over all also makes room by this: a question at a registry that has not ended one for two seconds
    gives way to one at a registry that is not silent, first of all at one of the 1,024 that last ended one. Many
    namespaces can each hold a little at silent hosts. Hosts that trickle are not silent: a question that has been
    under way for two seconds (the next time four, then eight) gives way to one at a registry that ends them sooner.
(7) What waits is bounded: beyond 65,536 the largest request of the namespace with the most waiting loses its last.
(8) Nothing stays: a request, namespace or registry with nothing waiting and nothing under way is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Self

from router.verification.line import DRY_RUN_COST, Asker, Namespace, Request, T, Turn

UNDER_WAY_PER_REQUEST = 16
"""Questions of one request that are asked at once."""
UNDER_WAY_PER_REGISTRY = 32
"""Questions that are asked of one registry at once: two requests of a thousand images leave each other room."""
UNDER_WAY = 96
"""Questions that are asked at once over all: three registries that hang leave room for a fourth."""
WAITING = 65_536
"""Questions that wait, about 40 MiB."""
GRACE_SECONDS = 1.0
"""How long a turn is left alone, whoever has it."""
SILENT_SECONDS = 2.0
"""After this long without the end of a question, a registry counts as silent."""
HEARD = 1024
"""Registries of which it is remembered when they last ended a question."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way, and how much may wait."""

    per_request: int = UNDER_WAY_PER_REQUEST
    per_registry: int = UNDER_WAY_PER_REGISTRY
    overall: int = UNDER_WAY
    waiting: int = WAITING

    @classmethod
    def shared_by(cls, processes: int) -> Self:
        """What each of so many processes may have, so that all of them together have no more than one."""
        return cls(
            max(1, UNDER_WAY_PER_REQUEST // processes),
            max(1, UNDER_WAY_PER_REGISTRY // processes),
            max(1, UNDER_WAY // processes),
            max(1, WAITING // processes),
        )


@dataclass(eq=False, slots=True)
class _Registry:
    waiting: int = 0
    under_way: int = 0
    is_tardy: bool = False
    """A question of it gave way because of its age, and none has ended since then."""


class Turns(Generic[T]):
    """Every question that waits or is under way."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._namespaces: OrderedDict[str, Namespace[T]] = OrderedDict()
        self._registries: dict[str, _Registry] = {}
        self._under_way: OrderedDict[Turn[T], None] = OrderedDict()
        self._open: set[str] = set()
        """Registries that somebody waits for and that have room."""
        self._heard: OrderedDict[str, float] = OrderedDict()
        """When a question last ended by itself, by registry."""
        self.waiting = 0

    @property
    def under_way(self) -> int:
        """How many questions are being asked."""
        return len(self._under_way)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is remembered."""
        return not (self._namespaces or self._registries or self._under_way or self._open or self.waiting)

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
            namespace = self._namespaces[asker.namespace] = Namespace(asker.namespace)
        ring = namespace.ring(asker)
        request = ring.get(asker)
        if request is None:
            request = ring[asker] = Request(asker)
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
        if not self._open or len(self._under_way) >= self._limits.overall:
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
            self._heard[turn.registry] = now
            self._heard.move_to_end(turn.registry)
            self._registries[turn.registry].is_tardy = False
            if len(self._heard) > HEARD:
                self._heard.popitem(last=False)
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
        rooms += [name for name in dict.fromkeys(turn.registry for turn in old) if self._is_full_for_somebody(name)]
        for room in rooms if old else ():
            holders = [turn for turn in old if room is None or turn.registry == room]
            found = self._pair(holders, room, now)
            if found is not None:
                return self._exchanged(*found, room, now)
        return None

    def _pair(
        self, holders: list[Turn[T]], room: str | None, now: float
    ) -> tuple[Turn[T], Namespace[T], Request[T]] | None:
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
        return self._silent_pair(holders, waiters, now) if room is None else None

    def _left(self, turn: Turn[T]) -> int:
        """What the namespace of a turn would still hold without it."""
        return self._namespaces[turn.asker.namespace].load - turn.asker.cost

    def _silent_pair(
        self, holders: list[Turn[T]], waiters: list[tuple[Namespace[T], Request[T]]], now: float
    ) -> tuple[Turn[T], Namespace[T], Request[T]] | None:
        oldest: dict[str, float] = {}
        for turn in self._under_way:
            oldest.setdefault(turn.registry, turn.since)

        def is_silent(registry: str) -> bool:
            ended = self._heard.get(registry, float("-inf"))
            return now - max(oldest.get(registry, now), ended) >= SILENT_SECONDS

        def is_quick(registry: str) -> bool:
            is_young = now - oldest.get(registry, now) < SILENT_SECONDS
            return is_young and registry in self._heard and not self._registries[registry].is_tardy

        lanes = [(waiter, self._lane(waiter[1], None)) for waiter in waiters]
        quick = (waiter for waiter, lane in lanes if is_quick(lane))
        heard = (waiter for waiter, lane in lanes if lane in self._heard and not is_silent(lane))
        others = (waiter for waiter, lane in lanes if not is_silent(lane))
        first = next(quick, None)
        loser = next((turn for turn in holders if is_silent(turn.registry)), None)
        if loser is None and first is not None:
            loser = next((turn for turn in holders if now - turn.since >= SILENT_SECONDS * 2**turn.gave_way), None)
            if loser is not None:
                loser.gave_way += 1
        waiter = first or next(heard, None) or next(others, None)
        if waiter is None or loser is None:
            return None
        self._registries[loser.registry].is_tardy = True
        return loser, *waiter

    def _exchanged(
        self, turn: Turn[T], namespace: Namespace[T], request: Request[T], room: str | None, now: float
    ) -> tuple[Turn[T], Turn[T]]:
        self._stop(turn)
        started = self._start(namespace, request, self._lane(request, room), now)
        self.ask(turn)
        return turn, started

    def _ready(self, namespace: Namespace[T], room: str | None) -> Request[T] | None:
        """The request of a namespace that would have its turn: in this full room, or in any that is not full."""
        if not namespace.waiting:
            return None
        most, meant = self._limits.per_request, self._open if room is None else {room}
        for request in namespace.in_order():
            if request.under_way < most and not meant.isdisjoint(request.lanes):
                return request
        return None

    def _lane(self, request: Request[T], room: str | None) -> str:
        return room if room is not None else next(registry for registry in request.lanes if registry in self._open)

    def _start(self, namespace: Namespace[T], request: Request[T], registry: str, now: float) -> Turn[T]:
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
        self._registries[registry].under_way += 1
        self._note_open(registry)
        return turn

    def _stop(self, turn: Turn[T]) -> None:
        del self._under_way[turn]
        self._request(turn).under_way -= 1
        self._namespaces[turn.asker.namespace].load -= turn.asker.cost
        self._registries[turn.registry].under_way -= 1
        self._note_open(turn.registry)

    def _drop(self, namespace: Namespace[T], request: Request[T], registry: str, count: int) -> list[Turn[T]]:
        lane = request.lanes[registry]
        dropped = [lane.pop() for _ in range(count)]
        self._count_waiting(namespace, request, registry, -count)
        if not lane:
            del request.lanes[registry]
        self._tidy(request.asker, registry)
        return dropped

    def _count_waiting(self, namespace: Namespace[T], request: Request[T], registry: str, count: int) -> None:
        at = self._registries.get(registry)
        if at is None:
            at = self._registries[registry] = _Registry()
        at.waiting += count
        request.waiting += count
        namespace.waiting += count
        self.waiting += count
        self._note_open(registry)

    def _tidy(self, asker: Asker, registry: str) -> None:
        self._tidy_registry(registry)
        self._tidy_asker(asker)

    def _tidy_registry(self, registry: str) -> None:
        at = self._registries[registry]
        if not (at.waiting or at.under_way):
            del self._registries[registry]

    def _tidy_asker(self, asker: Asker) -> None:
        namespace = self._namespaces[asker.namespace]
        request = namespace.ring(asker)[asker]
        if not (request.waiting or request.under_way):
            del namespace.ring(asker)[asker]
        if not (namespace.ordinary or namespace.dry_runs):
            del self._namespaces[namespace.name]

    def _request(self, turn: Turn[T]) -> Request[T]:
        return self._namespaces[turn.asker.namespace].ring(turn.asker)[turn.asker]

    def _note_open(self, registry: str) -> None:
        at = self._registries[registry]
        if at.waiting and at.under_way < self._limits.per_registry:
            self._open.add(registry)
        else:
            self._open.discard(registry)

    def _is_full_for_somebody(self, registry: str) -> bool:
        at = self._registries[registry]
        return at.waiting > 0 and at.under_way >= self._limits.per_registry
