"""Whether a destination may be tried at all (pure; clock and dice are arguments).

    closed --20 new events failed in a row, or 3 were refused--> open --pause--> half open --success--> closed
                                                                  ^                 |
                                                                  +----failures-----+

Rules:
(1) A destination counts as down when `FAILURES` events that had never been tried have failed in a row. That one event
    fails again and again says something about it, not about the destination. One success, or a refusal of one document
    for good, ends the row: the receiver is there and judges.
(2) While open nothing is tried. The pause starts at 1 s, doubles up to 1 min and is jittered downwards by up to half,
    so that replicas do not knock together.
(3) Then attempts are made one at a time, with what was never tried here, the newest first: who sends events that a
    receiver chokes on must not keep others' from it. The first success closes the breaker; `PROBES` failures open it
    again, for longer. One probe alone would tell a receiver that fails often from one that is away by chance only.
(4) Refused credentials (401, 403) pause it once `REFUSALS` different events were refused and none accepted between:
    one alone may be what a firewall dislikes. Pauses are of 1 s, doubling to 5 min, with one probe after each.
(5) Attempts that were under way when it opened prolong no pause when they fail, and close it when they succeed. What
    is refused (4) counts all the same, and so does what a receiver asks for (6).
(6) What a receiver asks for (`Retry-After`, at most 1 h) holds for all that goes there. Where waiting has not helped,
    since it asked again before it had accepted `HELPED` events, it holds only if it is asked for `ASKED` different
    ones in a row: a receiver that asks at random would else get next to nothing. It ends early where the receiver
    accepts what is sent all the same, since somebody waits for it.
(7) Whoever mends a destination says so by a reload or a replay: then it is probed at once (`hurry`, as for (6)).

Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

from router.delivery.backoff import LONGEST_WAIT

FAILURES = 20
"""New events that must have failed in a row to open the breaker."""
PROBES = 3
"""Failures, after a pause, that open it again."""
HELPED = 16
"""Events that a receiver must have accepted after we waited, for the waiting to have helped."""
ASKED = 10
"""Different events in a row for which a receiver must ask us to wait, where waiting has not helped."""
REFUSALS = 3
"""Different events that must have been refused to pause a destination."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds of the first pause, and of the longest."""
LAST_LONG_PAUSE = 300.0
"""Seconds of the longest where credentials were refused."""

_DOUBLINGS = 10


class Breaker:
    """The state of one destination: closed, open until some time, or half open."""

    __slots__ = (
        "_accepted",
        "_asked",
        "_failed",
        "_failing_since",
        "_held_until",
        "_is_paused",
        "_pauses",
        "_probes",
        "_refused",
        "_until",
    )

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._refused: set[str] = set()
        self._asked: set[str] = set()
        self._accepted = HELPED
        self._failing_since: float | None = None
        self._pauses = self._probes = 0
        self._until: float | None = None
        self._held_until = 0.0
        self._is_paused = False

    @property
    def is_closed(self) -> bool:
        """Whether everything may be tried, when it is time."""
        return self._until is None

    @property
    def is_refused(self) -> bool:
        """Whether it is open because credentials were refused."""
        return self._is_paused

    def wait(self, now: float) -> float:
        """Seconds until something may be tried; 0 where it may be now: anything if closed, else one probe."""
        return max(0.0, self._held_until - now, 0.0 if self._until is None else self._until - now)

    def failing_for(self, now: float) -> float:
        """Seconds in which attempts have failed and none has succeeded nor was told when to come again; 0 if none."""
        return 0.0 if self._failing_since is None else max(0.0, now - self._failing_since)

    def is_held(self, now: float) -> bool:
        """Whether it has asked us to wait (6)."""
        return now < self._held_until

    def answered(self) -> None:
        """An attempt has shown that the receiver is there."""
        for row in (self._failed, self._refused, self._asked):
            row.clear()
        self._accepted += 1
        self._failing_since = None
        self._pauses = self._probes = 0
        self._until = None
        self._is_paused = False

    def hurry(self, now: float) -> None:
        """Somebody says that it may go on, be it the receiver, which accepts while it is held: probe at once."""
        self._held_until = 0.0
        if self._until is not None:
            self._until, self._pauses = min(self._until, now), 0

    def failed(self, event_id: str, now: float, dice: float, *, is_new: bool, after: float | None = None) -> None:
        """An attempt has failed.

        Args:
            event_id: What was tried, or the first of what was tried together.
            now: The time.
            dice: Drawn evenly from [0, 1).
            is_new: Whether it had never been tried.
            after: Seconds that the receiver asked us to wait, where it did.
        """
        self._noted(event_id, now, after)
        if is_new:
            self._failed.add(event_id)
        if self._until is None:
            if len(self._failed) >= FAILURES:
                self._open(now, dice)
        elif now >= self._until:  # (5)
            self._probes += 1
            if self._is_paused or self._probes >= PROBES:
                self._open(now, dice)

    def refused(self, event_id: str, now: float, dice: float, *, after: float | None = None) -> None:
        """An attempt was refused for our credentials; arguments as for `failed`."""
        self._noted(event_id, now, after)
        self._refused.add(event_id)
        if len(self._refused) >= REFUSALS and not self._is_paused:
            self._is_paused, self._pauses = True, 0
            self._open(now, dice)
        elif self._until is not None and now >= self._until:  # (5)
            self._open(now, dice)

    def _noted(self, event_id: str, now: float, after: float | None) -> None:
        if self._failing_since is None or after is not None:
            self._failing_since = now  # who says when to come again is busy, not away
        if not after:
            return
        self._asked.add(event_id)
        if now < self._held_until or self._accepted >= HELPED or len(self._asked) >= ASKED:
            self._held_until = max(self._held_until, now + min(after, LONGEST_WAIT))
            self._accepted = 0

    def _open(self, now: float, dice: float) -> None:
        self._probes = 0
        last = LAST_LONG_PAUSE if self._is_paused else LAST_PAUSE
        pause = min(last, FIRST_PAUSE * 2.0 ** min(self._pauses, _DOUBLINGS)) * (1 - dice / 2)
        self._pauses += 1
        self._until = now + pause
