"""What one lane has claimed and not begun: which is next, and how much of it is held (pure).

Rules:
(1) The most urgent is next, and among those the oldest; but every eighth is the oldest of all.
(2) What was tried before takes no more than every second turn, and no more than half of the attempts under way, while
    something waits that was not: who sends events that take a receiver long to fail must not hold up others.
(3) A batch is of new events, or of repeats. A suspect (`suspects`) is a repeat that goes alone: the receiver may choke
    on it, and that dooms no other. Repeats that were refused by themselves go after suspects that were not, but for the
    eighth of (1): what is refused again and again must not keep a receiver from what it would take.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from operator import attrgetter, gt

from router.outbox import Delivery
from router.outbox.protocol import OLDEST_EVERY
from router.verdict import Severity


class Ready:
    """Deliveries that are claimed and wait for a slot.

    Args:
        batch: How many one attempt may carry.
        suspects: Ids of those that go alone; asked when they come.

    Attributes:
        size: Bytes of the events that wait.
    """

    def __init__(self, batch: int, suspects: Container[str] = ()) -> None:
        self._batch = batch
        self._suspects = suspects
        self._alone: set[str] = set()
        self._unheard: set[str] = set()
        self._waiting: list[Delivery] = []
        self._new = self.size = 0
        self._turn = 0
        self._was_repeat = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def most_urgent(self) -> Severity:
        """Of what waits; needs something."""
        return self._waiting[0].severity

    @property
    def has_suspects(self) -> bool:
        """Whether something waits that goes alone."""
        return bool(self._alone)

    def batches(self, room: int) -> int:
        """How many attempts may be made of what waits, and of so many events at most."""
        alone = max(0, min(len(self._alone), room))
        return alone - (-max(0, min(len(self._waiting) - len(self._alone), room)) // self._batch)

    def put(self, claimed: Sequence[Delivery]) -> None:
        """Have these wait."""
        orders = [one.order for one in (*self._waiting[-1:], *claimed)]
        self._waiting += claimed
        if any(map(gt, orders, orders[1:])):
            self._waiting.sort(key=attrgetter("order"))
        self._new += sum(not one.attempts for one in claimed)
        alone = [one for one in claimed if one.attempts and one.event_id in self._suspects]
        self._alone.update(one.event_id for one in alone)
        self._unheard.update(one.event_id for one in alone if one.refused_for is None)
        self.size += sum(len(one.body) for one in claimed)

    def take(self, *, is_repeat_allowed: bool) -> Sequence[Delivery]:
        """The next batch; nothing only where nothing waits."""
        if not self._waiting:
            return ()
        first = self._next(is_new=None if (is_repeat_allowed and not self._was_repeat) or not self._new else True)
        self._was_repeat = bool(first.attempts)
        if first.event_id in self._alone:
            self._alone.remove(first.event_id)
            self._unheard.discard(first.event_id)
            return [first]
        batch = [first]
        while len(batch) < self._batch and self._left(is_new=not first.attempts):
            batch.append(self._next(is_new=not first.attempts, is_suspect=False))
        return batch

    def clear(self) -> Sequence[Delivery]:
        """All that waits, which does no longer."""
        waiting, self._waiting, self._new, self.size = self._waiting, [], 0, 0
        self._alone.clear()
        self._unheard.clear()
        return waiting

    def _left(self, *, is_new: bool) -> int:
        """How many wait that are new, or that are repeats and no suspects."""
        return self._new if is_new else len(self._waiting) - self._new - len(self._alone)

    def _next(self, *, is_new: bool | None, is_suspect: bool = True) -> Delivery:
        """The next of those that are new, or are not, or of all, of suspects only where they count; there is one."""
        self._turn += 1
        is_oldest = self._turn % OLDEST_EVERY == 0
        is_any = is_oldest or not self._unheard or not is_suspect
        places = (
            place
            for place, one in enumerate(self._waiting)
            if (is_new is None or is_new is not bool(one.attempts))
            and (is_suspect or one.event_id not in self._alone)
            and (is_any or not one.attempts or one.refused_for is None)
        )
        if not is_oldest or self._waiting[0].severity is self._waiting[-1].severity:
            place = next(places)  # where all are as urgent, it is the oldest, too
        else:
            place = min(places, key=lambda one: self._waiting[one].number.sequence)
        taken = self._waiting.pop(place)
        self._new -= not taken.attempts
        self.size -= len(taken.body)
        return taken
