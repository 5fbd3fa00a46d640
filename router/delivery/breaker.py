"""Whether a destination may be tried at all (pure; clock and dice are arguments).

    closed --20 failures in a row, or refused credentials--> open --pause--> half open --success--> closed
                                                              ^                  |
                                                              +----3 failures----+

Rules:
(1) A destination counts as down when `FAILURES` attempts have failed in a row, of whatever events. One success, or a
    refusal of one document for good, ends the row: the receiver is there and judges.
(2) While open nothing is tried. The pause starts at 1 s, doubles up to 1 min and is jittered downwards by up to half,
    so that replicas do not knock together. It is never shorter than what the receiver asked for (at most 1 h).
(3) Then attempts are made one at a time. The first success closes the breaker; `PROBES` failures open it again, for
    longer. One probe alone would tell a receiver that fails often from one that is away by chance only.
(4) Refused credentials (401, 403) open it at once, with pauses of 1 to 5 min: only a person can mend that.
(5) Attempts that were under way when it opened change nothing when they fail, and close it when they succeed.

Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

from router.delivery.backoff import LONGEST_WAIT

FAILURES = 20
"""Failures in a row that open the breaker."""
PROBES = 3
"""Failures, after a pause, that open it again."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds of the first pause, and of the longest."""
FIRST_LONG_PAUSE, LAST_LONG_PAUSE = 60.0, 300.0
"""The same where credentials were refused."""

_DOUBLINGS = 10


class Breaker:
    """The state of one destination: closed, open until some time, or half open."""

    __slots__ = ("_failing_since", "_failures", "_is_long", "_pauses", "_probes", "_until")

    def __init__(self) -> None:
        self._failures = 0
        self._failing_since = 0.0
        self._pauses = self._probes = 0
        self._until: float | None = None
        self._is_long = False

    @property
    def is_closed(self) -> bool:
        """Whether everything may be tried."""
        return self._until is None

    @property
    def is_refused(self) -> bool:
        """Whether it is open because credentials were refused."""
        return self._is_long and not self.is_closed

    def wait(self, now: float) -> float:
        """Seconds until something may be tried; 0 where it may be now: anything if closed, else one probe."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def failing_for(self, now: float) -> float:
        """Seconds in which attempts have failed and none has succeeded nor was told when to come again; 0 if none."""
        return max(0.0, now - self._failing_since) if self._failures else 0.0

    def accepted(self) -> None:
        """An attempt has shown that the receiver is there."""
        self._failures = self._pauses = self._probes = 0
        self._until = None
        self._is_long = False

    def failed(self, now: float, dice: float, *, after: float | None = None, refused: bool = False) -> None:
        """An attempt has failed.

        Args:
            now: The time.
            dice: Drawn evenly from [0, 1).
            after: Seconds that the receiver asked us to wait, where it did.
            refused: Whether it refused our credentials.
        """
        if self._failures == 0 or after is not None:
            self._failing_since = now  # who says when to come again is busy, not away
        self._failures += 1
        if self._until is not None and now < self._until and not (refused and not self._is_long):
            return  # (5)
        if self._until is None and not refused and self._failures < FAILURES:
            return
        if self._until is not None and now >= self._until and not refused and self._probes + 1 < PROBES:
            self._probes += 1
            return  # (3)
        self._probes = 0
        if refused != self._is_long:
            self._is_long, self._pauses = refused, 0
        first, last = (FIRST_LONG_PAUSE, LAST_LONG_PAUSE) if refused else (FIRST_PAUSE, LAST_PAUSE)
        pause = min(last, first * 2.0 ** min(self._pauses, _DOUBLINGS)) * (1 - dice / 2)
        self._pauses += 1
        self._until = now + max(pause, min(after or 0.0, LONGEST_WAIT))
