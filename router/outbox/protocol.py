"""What the two halves know of the outbox: `Intake` (append), `Queue` (claim, settle) and `Records` (query, replay).

Each role can be played by another process or a shared database: every question is asynchronous, everything that is
passed is plain values, and a delivery is known by its destination and its event's id.

Rules that every implementation keeps:
(1) `append` returns when what it did is durable: a power cut afterwards takes nothing back. `settle` returns when the
    death of this process takes nothing back; a power cut within the next second or so may, and then deliveries that had
    ended are made again, under the same ids.
(2) An event and its deliveries, one per destination, are appended in one transaction. An event whose id is there
    already, and was decided within `SAME_WITHIN` seconds of it, is the same event: nothing is added, and its number is
    returned. So whoever does not know whether it was stored appends it again.
(3) An event's number is `(replica, sequence)`. Sequences begin at 1, in the order of appending; a gap means a loss.
(4) A delivery is `pending` until it is settled as `delivered` or `set_aside`, is discarded by an operator, or set aside
    by `retention`. State is per destination: nothing that happens to one touches another.
(5) What is claimed first is what is most urgent, and among that what was appended first; but every eighth
    (`Wanted.turn` counts them) is the oldest of all that may be tried, so that nothing starves. Never tried is
    due at once; what was postponed, when its delay has passed.
(6) A claimed delivery is given to nobody else while its owner holds it: until it settles or releases it, is rescued,
    or was not heard of for `LEASE` seconds of the outbox's own clock, which no step of the time of day moves. An
    expired claim may be taken by another; until one does, its owner keeps it by being heard of again.
(7) What an owner says after it lost a claim to another is taken only if it is good news: an acceptance is true whoever
    reports it, and all else is for the new owner to say.
(8) Who subscribed is told whenever `next_due` may have come nearer, whoever did it: nobody has to ask again and again.
(9) An event is withdrawn only if nobody can have heard of it or relies on it: it was appended once, no delivery of it
    is claimed or was tried, no incident was made of it, no other replica was told, and it is the last that was
    numbered (3).
    What it grants goes with it; an event that corrects another ends what that one granted.
(10) Pending deliveries are never forgotten.
(11) Of the messages about one incident, a destination is given the oldest that waits, and the next when that is
    settled: what it answered to the first (`Accepted.receipt`) goes along with every later one. They are as urgent as
    the most urgent of them. One that has failed `HOLDS_UP` times holds up no other; what overtakes it goes without a
    receipt, if there is none, and is told as if it were the first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from router.decision import Grant
from router.errors import OutboxError
from router.outbox.attempt import Attempt
from router.outbox.settlement import Settlement
from router.verdict import Severity

SAME_WITHIN = 600.0
"""Seconds between the times of two events with one id that are surely known for the same."""
OLDEST_EVERY = 8
"""One delivery in so many is the oldest that may be tried, however urgent others are."""
LEASE = 60.0
"""Seconds that claims last after their owner was last heard of."""
HOLDS_UP = 100
"""Attempts of a message for which later ones about the same incident wait: hours of an outage, and less than two where
the receiver takes others and this one never."""
URGENCY: Mapping[Severity, int] = {severity: place for place, severity in enumerate(Severity)}
"""0 is the most urgent."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    SET_ASIDE = "set_aside"
    DISCARDED = "discarded"


class Number(NamedTuple):
    """Which of a replica's events it is."""

    replica: str
    """Who stored it; empty for events from before that was kept."""
    sequence: int
    """1, 2, 3 ... without a gap."""


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
    severity: Severity = Severity.INFO
    """How urgent it is."""
    incident_routes: str = ""
    """What routes of the incidents lane said of it (`router.routing.lanes`), as JSON; empty where none took it."""
    grant: Grant | None = None
    """What it lets in from the moment on at which it is durable, until that ends or the event is withdrawn."""
    corrects: str = ""
    """Id of an event whose grant does not hold any more; empty where it corrects none."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One event on its way to one destination."""

    destination: str
    event_id: str
    number: Number
    body: bytes
    """The whole event, with its sequence number."""
    attempts: int
    """How often it was tried."""
    tried_for: float
    """Seconds since the first attempt; 0 where there was none."""
    appended_at: float
    """Seconds since 1970."""
    severity: Severity = Severity.INFO
    refusals: int = 0
    """How often it was refused and others were accepted afterwards."""
    refused_for: float | None = None
    """Seconds since the last attempt, if that was refused."""
    template: str = ""
    """What it is rendered with; empty where the destination's own is meant."""
    incident: int | None = None
    """The number of the incident that it tells of, where it does."""
    receipt: str = ""
    """What the destination answered when it was told of that incident before; empty where nothing is kept."""
    is_late: bool = False
    """Whether the destination has taken a later message about it already."""
    is_again: bool = False
    """Whether it has taken this one already, and is told of it once more."""

    @property
    def order(self) -> tuple[int, int]:
        """What is smaller goes first."""
        return URGENCY[self.severity], self.number.sequence


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a claim asks for."""

    limit: int
    """Deliveries at most."""
    room: int = 2**62
    """Bytes of events at most, unless the first alone is larger."""
    turn: int = 0
    """How many were claimed since the last that was the oldest."""
    above: Severity | None = None
    """Only what is more urgent than this."""
    is_probe: bool = False
    """Whether it is to find out if the destination takes anything: the newest that was never tried, where there is one;
    else what was refused the longest ago of what is due."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as people see it."""

    number: Number
    event_id: str
    destination: str
    state: DeliveryState
    attempts: int
    reason: str
    """Why the last attempt failed; empty where none did."""
    appended_at: float
    due_at: float | None
    """When it is tried next, where pending and tried before; seconds since 1970 if the clock goes on as it is."""
    settled_at: float | None
    severity: Severity = Severity.INFO
    words: str = ""
    """What the receiver said to the last attempt, where it failed."""
    tried: Sequence[Attempt] = ()
    """Attempts that are kept (`router.outbox.attempt`), the first one first."""


@dataclass(frozen=True, slots=True)
class DeliverySelection:
    """Which deliveries an operator means, events by their ids; an empty part means any."""

    destination: str | None = None
    state: DeliveryState | None = None
    events: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one destination has not got."""

    pending: int
    oldest_appended_at: float | None
    set_aside: int


Wake: TypeAlias = Callable[[Collection[str] | None], None]
"""(destinations, or None for any of them) -> nothing; called in the event loop, and quick."""


class Intake(Protocol):
    """Where events come in. Every method may raise OutboxError."""

    async def append(self, event: NewEvent) -> Number:
        """Store an event and its deliveries; returns its number once it is durable.

        Whoever is told that it takes too long, or gives up waiting, knows nothing: it may still be stored, and is then
        delivered.
        """

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that whoever appended them has given up; returns the ids of which nothing is stored now.

        What is still under way from before is waited for, however long, and from the call on no delivery of these is
        claimed. For the others an event that corrects them must be appended: see (9).
        """


AppendListener: TypeAlias = Callable[[Sequence[Number | OutboxError]], None]
"""Is told, in the event loop and of each event in order, its number where it is durable, else why it is not stored."""


class BatchIntake(Intake, Protocol):
    """An intake of this process, of which others ask to store what has come to them together."""

    def append_all(self, events: Sequence[NewEvent], told: AppendListener) -> None:
        """Store each of these as `append` does; `told` is told once when it is known of all, perhaps at once.

        No task waits for it, and no turn of a busy loop: whoever is admitted waits for this.
        """


class Queue(Protocol):
    """What one owner, such as the lanes of a process, has to deliver. What is awaited may raise OutboxError."""

    async def claim(self, destination: str, wanted: Wanted) -> Sequence[Delivery]:
        """Deliveries that may be tried now and that nobody holds: those of rule (5), in order of urgency and age."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; kept when it returns, as (1) says."""

    async def release(self, destination: str, event_ids: Collection[str]) -> None:
        """Give claims back that were not settled."""

    async def renew(self) -> None:
        """Be heard of: claims of this owner last `LEASE` seconds from now."""

    async def rescue(self) -> None:
        """Give all claims of this owner back: it begins anew, or somebody has seen it die."""

    async def next_due(self, destination: str) -> float | None:
        """Seconds until the next delivery that nobody holds is due; None where nothing waits."""

    def subscribe(self, wake: Wake, decided: Callable[[], None] | None = None) -> None:
        """Be told, from now on, of destinations that may have something due earlier than before.

        `decided` hears of what people decided about deliveries: they may have mended what these wait for.
        """


class Records(Protocol):
    """What people ask and decide about deliveries. Every method may raise OutboxError."""

    async def deliveries(
        self, selection: DeliverySelection, limit: int, *, is_open: bool = False
    ) -> Sequence[DeliveryRow]:
        """What an operator asks for, newest first; with `is_open` only what waits or was set aside."""

    async def replay(self, selection: DeliverySelection, to: str | None = None) -> int:
        """Make deliveries that were set aside or wait due now; returns how many.

        With `to`, their events are made due at that destination instead, unless it has them or waits for them, and the
        deliveries are given up.
        """

    async def discard(self, selection: DeliverySelection, now: float) -> int:
        """Give up deliveries that were set aside or wait, for good, at that time of day; returns how many."""

    async def knows(self, destination: str) -> bool:
        """Whether there is any delivery to it."""

    async def waiting(self) -> Mapping[str, Waiting]:
        """What waits, by destination."""

    async def forget(self, keep: float, keep_set_aside: float | None = None) -> int:
        """Remove events that nobody has waited for within `keep` seconds; returns how many.

        Where a delivery was set aside, its event stays for `keep_set_aside` seconds after that; None is the same time.
        """

    async def close(self) -> None:
        """Finish what was asked and close."""
