"""Delivery on a stage: an outbox in memory, destinations that answer as told, virtual time."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from router.delivery import Channel, Dispatcher
from router.destinations.document import Destination, Document
from router.destinations.outcome import AttemptOutcome, Delivered, EachOutcome
from router.outbox import Accepted, Delivery, DeliveryState, NewEvent, Postponed, SetAside, Settlement, Wanted
from router.telemetry.causes import Cause
from tests.outbox.memory import Key, MemoryOutbox, MemoryQueue

OWNER = "owner-1"
EPOCH = 1_790_000_000.0


def clock() -> float:
    """Seconds since 1970 in the story."""
    return EPOCH + asyncio.get_running_loop().time()


@dataclass
class StagedOutbox(MemoryOutbox):
    """Remembers what delivery asked, and fails as it is told."""

    replica: str = "replica-1"
    clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()
    flush: float = 0.0
    """Seconds until a settlement is durable."""
    most: int = sys.maxsize
    """Deliveries of one claim, whatever is asked for."""
    settled: list[Accepted | SetAside] = field(default_factory=list)
    postponed: list[Postponed] = field(default_factory=list)
    looks: list[tuple[str, Wanted]] = field(default_factory=list)
    """(destination, what is asked for) of every claim."""
    settle_errors: list[Exception] = field(default_factory=list)
    """Raised by the next settlements, one each."""
    claim_errors: list[Exception] = field(default_factory=list)
    change: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, *destinations: str, event_id: str = "") -> None:
        """Store an event at once."""
        number = len(self.events) + 1
        self.store(NewEvent(event_id or f"event-{number}", b'{"data":{"a":1}}', clock(), destinations))

    def queue(self, owner: str) -> StagedQueue:
        """What this owner has to deliver."""
        return StagedQueue(self, owner)

    @property
    def pending(self) -> set[Key]:
        """What waits."""
        return {key for key, row in self.rows.items() if row.shown.state is DeliveryState.PENDING}

    async def until_settled(self) -> None:
        """Wait until nothing is pending."""
        while any(row.shown.state is DeliveryState.PENDING for row in self.rows.values()):
            self.change.clear()
            await self.change.wait()


@dataclass
class StagedQueue(MemoryQueue):
    """A queue of a staged outbox."""

    outbox: StagedOutbox

    async def claim(self, destination: str, wanted: Wanted) -> Sequence[Delivery]:
        """Or fail as told."""
        await asyncio.sleep(0)
        if self.outbox.claim_errors:
            raise self.outbox.claim_errors.pop(0)
        self.outbox.looks.append((destination, wanted))
        return await super().claim(destination, replace(wanted, limit=min(wanted.limit, self.outbox.most)))

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Durable after `flush` seconds."""
        await asyncio.sleep(self.outbox.flush)
        if self.outbox.settle_errors:
            raise self.outbox.settle_errors.pop(0)
        for one in settlements:
            assert self.outbox.claims[one.destination, one.event_id] == self.owner, "only what is claimed is settled"
            (self.outbox.postponed if isinstance(one, Postponed) else self.outbox.settled).append(one)  # type: ignore[arg-type] # each to its own
        await super().settle(settlements)
        self.outbox.change.set()


@dataclass
class Receiver:
    """A destination that answers as it is told, and remembers everything."""

    name: str = "sink"
    answer: Callable[[int, Sequence[str]], AttemptOutcome | Exception] = lambda _number, _ids: Delivered()
    """(number of the attempt, event ids) -> what becomes of it."""
    seconds: float = 0.001
    """How long an attempt takes."""
    concurrency: int = 4
    batch_size: int = 1
    batch_bytes: int = sys.maxsize
    linger: float = 0.0
    give_up_after: float = 86400.0
    attempts: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_under_way: int = 0
    is_closed: bool = False

    async def deliver(self, documents: Sequence[Document]) -> AttemptOutcome:
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
        each = outcome.outcomes if isinstance(outcome, EachOutcome) else [outcome] * len(ids)
        self.accepted.update(one for one, of in zip(ids, each, strict=True) if isinstance(of, Delivered))
        return outcome

    async def until_accepted(self, event_id: str) -> float:
        """Seconds from now until it has taken this event."""
        began = asyncio.get_running_loop().time()
        while event_id not in self.accepted:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time() - began

    async def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


def render(event_id: str, body: bytes, _template: str = "") -> Document:
    """The event as it is."""
    return Document(event_id, body)


@dataclass
class Counts:
    """An observer that keeps what it is told."""

    attempts: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    fallbacks: int = 0
    refusals: list[bool] = field(default_factory=list)
    troubles: dict[tuple[Cause, str], str] = field(default_factory=dict)
    by_destination: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Keep it."""
        self.troubles[cause, subject] = text

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Forget it."""
        self.troubles.pop((cause, subject), None)

    def attempted(self, destination: str, outcome: str) -> None:
        """Keep the outcome."""
        self.by_destination[destination] += 1
        self.attempts.append(outcome)

    def delivered(self, destination: str, lag: float) -> None:
        """Keep the lag."""
        assert destination
        self.lags.append(lag)

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """Keep the reason."""
        assert destination
        self.given_up += [reason] * count

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

    outbox: StagedOutbox
    dispatcher: Dispatcher
    counts: Counts
    channels: dict[str, Channel]


@asynccontextmanager
async def stage(
    *receivers: Destination,
    outbox: StagedOutbox | None = None,
    rendering: Callable[[str, bytes, str], Document] = render,
    seed: int = 7,
) -> AsyncIterator[Stage]:
    """Lanes to these receivers, running; they are stopped with patience afterwards."""
    outbox = outbox or StagedOutbox()
    counts, dice = Counts(), random.Random(seed)  # noqa: S311 - jitter
    dispatcher = Dispatcher(outbox.queue(OWNER), counts, clock=clock, dice=dice.random)
    channels = {receiver.name: Channel(receiver, rendering) for receiver in receivers}
    await dispatcher.replace(channels)
    try:
        yield Stage(outbox, dispatcher, counts, channels)
    finally:
        await dispatcher.stop(60.0)
