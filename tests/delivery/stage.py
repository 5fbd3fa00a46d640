"""Delivery on a stage: an outbox in memory, destinations that answer as told, virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from router.delivery import Channel, Dispatcher
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome
from router.outbox import Accepted, Delivery, Postponed, SetAside, Settlement

EPOCH = 1_790_000_000.0


def clock() -> float:
    """Seconds since 1970 in the story."""
    return EPOCH + asyncio.get_running_loop().time()


@dataclass
class MemoryOutbox:
    """Keeps the rules of `router.outbox.protocol`, as far as delivery relies on them."""

    flush: float = 0.0
    """Seconds until a settlement is durable."""
    pending: dict[tuple[str, int], tuple[Delivery, float]] = field(default_factory=dict)
    settled: list[Accepted | SetAside] = field(default_factory=list)
    postponed: list[Postponed] = field(default_factory=list)
    claimed: set[tuple[str, int]] = field(default_factory=set)
    claims: list[tuple[str, int]] = field(default_factory=list)
    settle_errors: list[Exception] = field(default_factory=list)
    """Raised by the next settlements, one each."""
    claim_errors: list[Exception] = field(default_factory=list)
    _subscribers: list[Callable[[frozenset[str]], None]] = field(default_factory=list)
    _change: asyncio.Event = field(default_factory=asyncio.Event)
    _last: int = 0

    def append(self, *destinations: str, event_id: str = "") -> int:
        """Store an event; returns its number."""
        self._last += 1
        now = clock()
        for name in destinations:
            delivery = Delivery(name, self._last, event_id or f"event-{self._last}", b"{}", 0, None, now)
            self.pending[name, self._last] = delivery, now
        for callback in self._subscribers:
            callback(frozenset(destinations))
        return self._last

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due, the longest due first."""
        await asyncio.sleep(0)
        if self.claim_errors:
            raise self.claim_errors.pop(0)
        self.claims.append((destination, limit))
        due = [
            (due_at, key)
            for key, (_, due_at) in self.pending.items()
            if key[0] == destination and due_at <= now and key not in self.claimed
        ]
        keys = [key for _, key in sorted(due)[:limit]]
        self.claimed.update(keys)
        return [self.pending[key][0] for key in keys]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Durable after `flush` seconds."""
        await asyncio.sleep(self.flush)
        if self.settle_errors:
            raise self.settle_errors.pop(0)
        for one in settlements:
            key = one.destination, one.sequence
            assert key in self.claimed, "only what is claimed is settled"
            self.claimed.discard(key)
            if isinstance(one, Postponed):
                before = self.pending[key][0]
                tried = replace(before, attempts=one.attempts, first_attempt_at=one.first_attempt_at)
                self.pending[key] = tried, one.due_at
                self.postponed.append(one)
            else:
                del self.pending[key]
                self.settled.append(one)
        self._change.set()

    def release(self, destination: str, sequences: Sequence[int]) -> None:
        """Give claims back."""
        self.claimed -= {(destination, sequence) for sequence in sequences}

    async def next_due(self, destination: str) -> float | None:
        """When the next unclaimed one is due."""
        await asyncio.sleep(0)
        dues = [due for key, (_, due) in self.pending.items() if key[0] == destination and key not in self.claimed]
        return min(dues, default=None)

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back at every append."""
        self._subscribers.append(callback)

    async def until_settled(self) -> None:
        """Wait until nothing is pending."""
        while self.pending:
            self._change.clear()
            await self._change.wait()


Answer = Callable[[Sequence[Document]], Awaitable[Outcome]]


@dataclass
class Receiver:
    """A destination that answers as it is told, and remembers everything."""

    name: str = "sink"
    answer: Callable[[int, Sequence[str]], Outcome | Exception] = lambda _number, _ids: Delivered()
    """(number of the attempt, event ids) -> what becomes of it."""
    seconds: float = 0.001
    """How long an attempt takes."""
    concurrency: int = 4
    batch_size: int = 1
    give_up_after: float = 86400.0
    attempts: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_under_way: int = 0
    is_closed: bool = False

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Answer as told, after `seconds`."""
        ids = tuple(document.event_id for document in documents)
        self.attempts.append((asyncio.get_running_loop().time(), ids))
        number = len(self.attempts)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        outcome = self.answer(number, ids)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Delivered):
            self.accepted.update(ids)
        return outcome

    async def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


def render(event_id: str, body: bytes) -> Document:
    """The event as it is."""
    return Document(event_id, body)


@dataclass
class Counts:
    """An observer that keeps what it is told."""

    attempts: list[Outcome] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    fallbacks: int = 0
    refusals: list[bool] = field(default_factory=list)
    by_destination: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def attempted(self, destination: str, outcome: Outcome) -> None:
        """Keep the outcome."""
        self.by_destination[destination] += 1
        self.attempts.append(outcome)

    def delivered(self, destination: str, lag: float) -> None:
        """Keep the lag."""
        assert destination
        self.lags.append(lag)

    def set_aside(self, destination: str, reason: str) -> None:
        """Keep the reason."""
        assert destination
        self.given_up.append(reason)

    def fell_back(self, destination: str) -> None:
        """Count."""
        assert destination
        self.fallbacks += 1

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """Keep the change."""
        assert destination
        self.refusals.append(is_refused)


@dataclass
class Stage:
    """What a story plays with."""

    outbox: MemoryOutbox
    dispatcher: Dispatcher
    counts: Counts
    channels: dict[str, Channel]


@asynccontextmanager
async def stage(
    *receivers: Receiver,
    outbox: MemoryOutbox | None = None,
    rendering: Callable[[str, bytes], Document] = render,
    seed: int = 7,
) -> AsyncIterator[Stage]:
    """Lanes to these receivers, running; they are stopped with patience afterwards."""
    outbox = outbox or MemoryOutbox()
    counts, dice = Counts(), random.Random(seed)  # noqa: S311 - jitter
    dispatcher = Dispatcher(outbox, counts, clock=clock, dice=dice.random)
    channels = {receiver.name: Channel(receiver, rendering) for receiver in receivers}
    await dispatcher.replace(channels)
    try:
        yield Stage(outbox, dispatcher, counts, channels)
    finally:
        await dispatcher.stop(60.0)
