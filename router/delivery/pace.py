"""How many requests a destination may be sent in a time (`rate`): what is beyond it waits (pure; the clock is given).

The time slides: at no moment have more than so many been begun within the last so many seconds. An attempt with several
events is one request; so is each of a batch that is tried again event by event. Those for a receipt count, and wait for
nothing.
"""

from __future__ import annotations

from collections import deque

from router.fields import Rate


class DeliveryPace:
    """Of one destination; no rate is no limit."""

    def __init__(self, rate: Rate | None = None) -> None:
        self._rate = rate
        self._begun: deque[float] = deque(maxlen=None if rate is None else rate.count)

    def began(self, now: float) -> None:
        """A request is begun at that time of a clock that never goes back."""
        if self._rate is not None:
            self._begun.append(now)

    def wait(self, now: float) -> float:
        """Seconds until another may be begun."""
        if self._rate is None or len(self._begun) < self._rate.count:
            return 0.0
        return max(0.0, self._begun[0] + self._rate.seconds - now)
