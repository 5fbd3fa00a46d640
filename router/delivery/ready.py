"""What one lane has claimed and not begun: which is next, and how much of it is held (pure).

Rules:
(1) The most urgent is next, and among those the oldest; but every eighth is the oldest of all.
(2) What was tried before takes no more than every second turn, and no more than half of the attempts under way, while
    something waits that was not: who sends events that take a receiver long to fail must not hold up others.
(3) A batch is of new events, or of repeats. One of repeats is halved with each attempt of its first: the receiver may
    choke on one of them, and that dooms no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, gt

from router.outbox import Delivery
from router.outbox.protocol import OLDEST_EVERY
from router.verdict import Severity


class Ready:
    """Deliveries that are claimed and wait for a slot.

    Args:
        batch: How many one attempt may carry.

    Attributes:
        size: Bytes of the events that wait.
    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
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

    def put(self, claimed: Sequence[Delivery]) -> None:
        """Have these wait."""
        orders = [one.order for one in (*self._waiting[-1:], *claimed)]
        self._waiting += claimed
        if any(map(gt, orders, orders[1:])):
            self._waiting.sort(key=attrgetter("order"))
        self._new += sum(not one.attempts for one in claimed)
        self.size += sum(len(one.body) for one in claimed)

    def take(self, *, is_repeat_allowed: bool) -> Sequence[Delivery]:
        """The next batch; nothing only where nothing waits."""
        if not self._waiting:
            return ()
        first = self._next(is_new=None if (is_repeat_allowed and not self._was_repeat) or not self._new else True)
        self._was_repeat = bool(first.attempts)
        batch, size = [first], max(1, self._batch >> first.attempts)
        while len(batch) < size and (len(self._waiting) - self._new if first.attempts else self._new):
            batch.append(self._next(is_new=not first.attempts))
        return batch

    def clear(self) -> Sequence[Delivery]:
        """All that waits, which does no longer."""
        waiting, self._waiting, self._new, self.size = self._waiting, [], 0, 0
        return waiting

    def _next(self, *, is_new: bool | None) -> Delivery:
        """The next of those that are new, or are not, or of all; there is one."""
        self._turn += 1
        places = (
            place for place, one in enumerate(self._waiting) if is_new is None or is_new is not bool(one.attempts)
        )
        if self._turn % OLDEST_EVERY or self._waiting[0].severity is self._waiting[-1].severity:
            place = next(places)  # where all are as urgent, it is the oldest, too
        else:
            place = min(places, key=lambda one: self._waiting[one].number.sequence)
        taken = self._waiting.pop(place)
        self._new -= not taken.attempts
        self.size -= len(taken.body)
        return taken
