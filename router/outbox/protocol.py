"""What the two halves know of the outbox: append, claim, settle, set aside, query.

Rules that every implementation keeps:
(1) `append` and `settle` return when what they did is durable: a power cut afterwards takes nothing back.
(2) An event and its deliveries, one per destination, are appended in one transaction. An event whose id is there
    already is the same event: nothing is added, and its number is returned.
(3) Sequence numbers are 1, 2, 3 ... without a gap, and belong to events in the order of appending.
(4) A delivery is `pending` until it is settled as `delivered` or `set_aside`, or an operator discards it. State is per
    destination: nothing that happens to one touches another.
(5) A claimed delivery is given to nobody else until it is settled or released. Claims end with the process.
(6) Pending deliveries are never forgotten.
(7) An event is withdrawn only if nobody can have heard of it, no delivery of it having been claimed or tried, and if it
    is the last that was numbered, for a gap would say that an event was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    SET_ASIDE = "set_aside"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored."""

    id: str
    body: bytes
    """Encoded without its sequence number, as `router.events.encode` does."""
    at: float
    """When it was decided, in seconds since 1970."""
    destinations: Sequence[str]
    """Who is to receive it."""
    delivered_to: Sequence[str] = ()
    """Those of them who have it already."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one destination."""

    destination: str
    sequence: int
    event_id: str
    body: bytes
    """The whole event, with its sequence number."""
    attempts: int
    """How often it was tried."""
    first_attempt_at: float | None
    """Seconds since 1970."""
    appended_at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination has it."""

    destination: str
    sequence: int
    at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Postponed:
    """It is tried again when `due_at` has come."""

    destination: str
    sequence: int
    due_at: float
    attempts: int
    first_attempt_at: float
    reason: str
    """Why; a NUL in it is kept as U+FFFD."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """It is given up, until somebody replays it."""

    destination: str
    sequence: int
    at: float
    attempts: int
    reason: str
    """Why; a NUL in it is kept as U+FFFD."""


Settlement: TypeAlias = Accepted | Postponed | SetAside


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as people see it."""

    sequence: int
    event_id: str
    destination: str
    state: DeliveryState
    attempts: int
    reason: str
    """Why the last attempt failed; empty where none did."""
    appended_at: float
    due_at: float | None
    """When it is tried next, where pending."""
    settled_at: float | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries an operator means; an empty part means any."""

    destination: str | None = None
    state: DeliveryState | None = None
    events: Sequence[str] = ()
    """Event ids."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one destination has not got."""

    pending: int
    oldest_appended_at: float | None
    set_aside: int


class Outbox(Protocol):
    """Nothing is lost between the two halves. Every method may raise OutboxError."""

    async def append(self, event: NewEvent) -> int:
        """Store an event and its deliveries; returns its sequence number once it is durable."""

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that were given up by whoever appended them; returns the ids of those that are gone.

        Those that were not stored are not among them; what was appended before and is still under way is waited for.
        From the call on nothing of them is claimed.
        """

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due and that nobody has claimed, the longest due first."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; durable when it returns."""

    def release(self, destination: str, sequences: Sequence[int]) -> None:
        """Give claims back that were not tried."""

    async def next_due(self, destination: str) -> float | None:
        """When the next unclaimed delivery of this destination is due, in seconds since 1970."""

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back, in the event loop, with the destinations of newly appended events."""

    async def deliveries(self, selection: Selection, limit: int, *, is_open: bool = False) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""

    async def replay(self, selection: Selection, now: float) -> int:
        """Make deliveries that were set aside or wait due now; returns how many."""

    async def discard(self, selection: Selection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good; returns how many."""

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""

    async def forget(self, before: float) -> int:
        """Remove events of before that time that nobody waits for; returns how many."""

    async def close(self) -> None:
        """Finish what was asked and close."""
