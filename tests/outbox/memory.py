"""An outbox in memory that plays all three roles of `router.outbox.protocol`, and passes the suite of every outbox.

Nothing is ever flushed, so what was asked is durable at once. It outlives `close`: whoever opens it again finds what
was in it, claims included, as with a database that others serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from msgspec import structs

from router.errors import OutboxError
from router.events import with_sequence
from router.outbox import (
    KEPT,
    LEASE,
    LONGEST_DELAY,
    URGENCY,
    Accepted,
    Attempt,
    Delivery,
    DeliveryRow,
    DeliverySelection,
    DeliveryState,
    NewEvent,
    Number,
    Postponed,
    SetAside,
    Settlement,
    Waiting,
    Wake,
    Wanted,
)
from router.outbox.storable import expect_storable

PENDING, DELIVERED, ASIDE, DISCARDED = DeliveryState
Key = tuple[str, str]
"""(destination, event id)."""


@dataclass
class Stored:
    """An event that is there."""

    event: NewEvent
    number: Number
    is_repeated: bool = False


@dataclass
class Row:
    """A delivery."""

    shown: DeliveryRow
    due_at: float = 0.0
    """Like all times below of the outbox's clock."""
    first_attempt_at: float | None = None
    refusals: int = 0
    refused_at: float | None = None
    kept_since: float | None = None

    @property
    def order(self) -> tuple[int, int]:
        """What is smaller goes first."""
        return URGENCY[self.shown.severity], self.shown.number.sequence


@dataclass
class MemoryOutbox:
    """`Intake` and `Records`, and a `Queue` for every owner."""

    replica: str
    clock: Callable[[], float]
    """Seconds of its own time."""
    events: dict[str, Stored] = field(default_factory=dict)
    rows: dict[Key, Row] = field(default_factory=dict)
    claims: dict[Key, str] = field(default_factory=dict)
    """Owners."""
    heard: dict[str, float] = field(default_factory=dict)
    """When an owner was last heard of."""
    subscribers: list[Wake] = field(default_factory=list)
    decided: list[Callable[[], None]] = field(default_factory=list)
    is_closed: bool = False
    _last: int = 0

    def store(self, event: NewEvent) -> Number:
        """Append at once."""
        self.expect_open()
        expect_storable(event)
        if (stored := self.events.get(event.id)) is not None:
            stored.is_repeated = True
            return stored.number
        self._last += 1
        number = Number(self.replica, self._last)
        self.events[event.id] = Stored(event, number)
        for name in event.destinations:
            shown = DeliveryRow(number, event.id, name, PENDING, 0, "", event.at, None, None, event.severity)
            row = self.rows[name, event.id] = Row(shown)
            if name in event.delivered_to:
                row.shown = replace(shown, state=DELIVERED, attempts=1, settled_at=event.at)
                row.kept_since = self.clock()
        self.wake(event.destinations)
        return number

    async def append(self, event: NewEvent) -> Number:
        """Store an event and its deliveries."""
        number = self.store(event)
        await asyncio.sleep(0)
        return number

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take events back, the last first, until one must stay."""
        self.expect_open()
        for event_id, stored in reversed(list(self.events.items())):
            rows = [row for (_, one), row in self.rows.items() if one == event_id]
            is_untouched = all(row.shown.state is PENDING and not row.shown.attempts for row in rows)
            is_claimed = any(one == event_id for _, one in self.claims)
            is_last = stored.number.sequence == self._last
            if event_id not in ids or stored.is_repeated or is_claimed or not (is_untouched and is_last):
                break
            self._last -= 1
            del self.events[event_id]
            self.rows = {key: row for key, row in self.rows.items() if key[1] != event_id}
        return frozenset(ids) - self.events.keys()

    def queue(self, owner: str) -> MemoryQueue:
        """What this owner has to deliver."""
        return MemoryQueue(self, owner)

    async def deliveries(
        self, selection: DeliverySelection, limit: int, *, is_open: bool = False
    ) -> Sequence[DeliveryRow]:
        """What is selected, newest first."""
        self.expect_open()
        states = (PENDING, ASIDE) if is_open else tuple(DeliveryState)
        found = [row.shown for row in self._selected(selection, states)]
        return sorted(found, key=lambda row: (-row.number.sequence, row.destination))[:limit]

    async def knows(self, destination: str) -> bool:
        """Whether there is any delivery to it."""
        self.expect_open()
        return any(name == destination for name, _ in self.rows)

    async def replay(self, selection: DeliverySelection, to: str | None = None) -> int:
        """Due now, with all attempts again; or elsewhere."""
        self.expect_open()
        if to is not None:
            return self._redirected(selection, to)
        for row in (rows := self._selected(selection, (PENDING, ASIDE))):
            shown = replace(row.shown, state=PENDING, attempts=0, reason="", words="", due_at=None, settled_at=None)
            self.rows[shown.destination, shown.event_id] = Row(shown)
        self.wake(None, is_decided=True)
        return len(rows)

    def _redirected(self, selection: DeliverySelection, to: str) -> int:
        rows = [row for row in self._selected(selection, (PENDING, ASIDE)) if row.shown.destination != to]
        for row in rows:
            known = self.rows.get((to, row.shown.event_id))
            if known is None or known.shown.state in (ASIDE, DISCARDED):
                blank = replace(row.shown, destination=to, state=PENDING, attempts=0, reason="", words="")
                tried = () if known is None else known.shown.tried
                self.rows[to, row.shown.event_id] = Row(replace(blank, due_at=None, settled_at=None, tried=tried))
            row.shown = replace(
                row.shown, state=DISCARDED, reason="replayed_elsewhere", words=to, due_at=None, settled_at=self.clock()
            )
            row.kept_since = self.clock()
        self.wake(None, is_decided=True)
        return len(rows)

    async def discard(self, selection: DeliverySelection, now: float) -> int:
        """For good."""
        self.expect_open()
        for row in (rows := self._selected(selection, (PENDING, ASIDE))):
            row.shown = replace(row.shown, state=DISCARDED, due_at=None, settled_at=now)
            row.kept_since = self.clock()
        return len(rows)

    async def waiting(self) -> Mapping[str, Waiting]:
        """By destination."""
        self.expect_open()
        found: dict[str, Waiting] = {}
        for row in (one.shown for one in self.rows.values()):
            of = found.get(row.destination, Waiting(0, None, 0))
            if row.state is PENDING:
                oldest = row.appended_at if of.oldest_appended_at is None else of.oldest_appended_at
                found[row.destination] = replace(of, pending=of.pending + 1, oldest_appended_at=oldest)
            elif row.state is ASIDE:
                found[row.destination] = replace(of, set_aside=of.set_aside + 1)
        return found

    async def forget(self, keep: float, keep_set_aside: float | None = None) -> int:
        """What is older and was not waited for."""
        self.expect_open()
        before = self.clock() - keep
        before_aside = before if keep_set_aside is None else self.clock() - keep_set_aside
        waited_for = {
            event_id
            for (_, event_id), row in self.rows.items()
            if row.shown.state is PENDING
            or (
                row.kept_since is not None
                and row.kept_since >= (before_aside if row.shown.state is DeliveryState.SET_ASIDE else before)
            )
        }
        gone = {event_id for event_id, one in self.events.items() if one.event.at < before} - waited_for
        self.events = {event_id: one for event_id, one in self.events.items() if event_id not in gone}
        self.rows = {key: row for key, row in self.rows.items() if key[1] not in gone}
        return len(gone)

    async def close(self) -> None:
        """Answer nobody any more."""
        self.is_closed = True
        self.subscribers.clear()
        self.decided.clear()

    def wake(self, destinations: Collection[str] | None, *, is_decided: bool = False) -> None:
        """Something may be due."""
        for decided in self.decided if is_decided else ():
            decided()
        for wake in self.subscribers:
            wake(destinations)

    def expect_open(self) -> None:
        """Raises OutboxError where it is closed."""
        if self.is_closed:
            raise OutboxError("the outbox is closed")

    def _selected(self, selection: DeliverySelection, states: Sequence[DeliveryState]) -> list[Row]:
        return [
            row
            for (destination, event_id), row in self.rows.items()
            if row.shown.state in states and selection.state in (None, row.shown.state)
            if selection.destination in (None, destination)
            if not selection.events or event_id in selection.events
        ]


@dataclass
class MemoryQueue:
    """What one owner has to deliver."""

    outbox: MemoryOutbox
    owner: str

    async def claim(self, destination: str, wanted: Wanted) -> Sequence[Delivery]:
        """What is due and free: the most urgent first, but every eighth the oldest."""
        self.outbox.expect_open()
        await self.renew()
        found, room = list[Delivery](), wanted.room
        for row in self._probe(destination) if wanted.is_probe else self._mixed(destination, wanted):
            delivery = self._delivery(row)
            room -= len(self.outbox.events[delivery.event_id].event.body)
            if found and room < 0:
                break
            found.append(delivery)
        self.outbox.claims.update({(destination, one.event_id): self.owner for one in found})
        return sorted(found, key=lambda one: one.order)

    def _mixed(self, destination: str, wanted: Wanted) -> list[Row]:
        now = self.outbox.clock()
        left = [row for row in self._free(destination) if row.due_at <= now]
        if wanted.above is not None:
            left = [row for row in left if URGENCY[row.shown.severity] < URGENCY[wanted.above]]
        urgent = iter(sorted(left, key=lambda row: row.order))
        oldest = iter(sorted(left, key=lambda row: row.shown.number))
        taken, turn = dict[Number, Row](), wanted.turn
        while len(taken) < min(len(left), wanted.limit):
            turn += 1
            row = next(row for row in (oldest if turn % 8 == 0 else urgent) if row.shown.number not in taken)
            taken[row.shown.number] = row
        return list(taken.values())

    def _probe(self, destination: str) -> list[Row]:
        free = self._free(destination)
        untried = [row for row in free if not row.shown.attempts]
        if untried:
            return [max(untried, key=lambda row: row.shown.number)]
        due = [row for row in free if row.due_at <= self.outbox.clock()]
        return sorted(due, key=lambda row: -1.0 if row.refused_at is None else row.refused_at)[:1]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Only what is pending changes, and for what is another's only good news counts."""
        self.outbox.expect_open()
        for one in settlements:
            key = one.destination, one.event_id
            is_anothers = self.outbox.claims.get(key, self.owner) != self.owner
            if not is_anothers:
                self.outbox.claims.pop(key, None)
            row = self.outbox.rows.get(key)
            if row is not None and row.shown.state is PENDING and (isinstance(one, Accepted) or not is_anothers):
                self._settled(row, one)
        self.outbox.wake({one.destination for one in settlements if isinstance(one, Postponed)})

    async def release(self, destination: str, event_ids: Collection[str]) -> None:
        """Give claims back."""
        for event_id in event_ids:
            if self.outbox.claims.get((destination, event_id)) == self.owner:
                del self.outbox.claims[destination, event_id]
        self.outbox.wake((destination,))

    async def renew(self) -> None:
        """Be heard of."""
        self.outbox.heard[self.owner] = self.outbox.clock()

    async def rescue(self) -> None:
        """Give all claims of this owner back."""
        claims = self.outbox.claims
        self.outbox.claims = {key: owner for key, owner in claims.items() if owner != self.owner}
        self.outbox.wake(None)

    async def next_due(self, destination: str) -> float | None:
        """Of what nobody holds."""
        self.outbox.expect_open()
        due = [0.0 if not row.shown.attempts else row.due_at for row in self._free(destination)]
        return max(0.0, min(due) - self.outbox.clock()) if due else None

    def subscribe(self, wake: Wake, decided: Callable[[], None] | None = None) -> None:
        """Be told."""
        self.outbox.subscribers.append(wake)
        if decided is not None:
            self.outbox.decided.append(decided)

    def _free(self, destination: str) -> list[Row]:
        claims = self.outbox.claims
        return [
            row
            for key, row in self.outbox.rows.items()
            if row.shown.state is PENDING and key[0] == destination and not (key in claims and self._is_held(key))
        ]

    def _is_held(self, claimed: Key) -> bool:
        owner = self.outbox.claims[claimed]
        return owner == self.owner or self.outbox.clock() < self.outbox.heard[owner] + LEASE

    def _delivery(self, row: Row) -> Delivery:
        shown, event = row.shown, self.outbox.events[row.shown.event_id].event
        whole = with_sequence(event.body, shown.number.sequence)
        now = self.outbox.clock()
        tried_for = 0.0 if row.first_attempt_at is None else now - row.first_attempt_at
        refused_for = None if row.refused_at is None else now - row.refused_at
        return Delivery(
            shown.destination, event.id, shown.number, whole, shown.attempts, tried_for, shown.appended_at,
            shown.severity, row.refusals, refused_for,
        )  # fmt: skip

    def _settled(self, row: Row, one: Settlement) -> None:
        now = self.outbox.clock()
        row.first_attempt_at = now if row.first_attempt_at is None else row.first_attempt_at
        row.refusals, row.refused_at = 0, None
        tried = row.shown.tried if one.attempt is None else (*row.shown.tried, _attempt(one.attempt))
        if len(tried) > KEPT:
            tried = (tried[0], *tried[2:])
        shown = replace(
            row.shown, attempts=one.attempts, reason="", words="", due_at=None, settled_at=None, tried=tried
        )
        match one:
            case Accepted():
                row.shown = replace(shown, state=DELIVERED, settled_at=one.at)
                row.kept_since = now
            case Postponed():
                row.due_at = now + min(one.delay, LONGEST_DELAY)
                row.shown = replace(shown, reason=_kept(one.reason), words=_kept(one.words), due_at=row.due_at)
                row.refusals, row.refused_at = one.refusals, now if one.is_refused else None
            case SetAside():
                reason, words = _kept(one.reason), _kept(one.words)
                row.shown = replace(shown, state=ASIDE, reason=reason, words=words, settled_at=one.at)
                row.kept_since = now


def _attempt(made: Attempt) -> Attempt:
    return structs.replace(made, reason=_kept(made.reason), words=_kept(made.words))


def _kept(text: str) -> str:
    return text.replace("\0", "\ufffd")
