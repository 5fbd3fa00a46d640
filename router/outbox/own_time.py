"""The outbox's own time: how old things are, whatever happens to the time of day.

Rules:
(1) It runs as a clock that never jumps does, and is saved now and then, with the time of day.
(2) A restart moves it on by what the time of day says has passed since it was saved, but never back, and by
    `RESTART_LIMIT` at most: a clock that is wrong costs an hour, not a delivery.
(3) A new file begins with the time of day, so that what an older release wrote down still means something.

Back-off, patience and retention are counted in it. People are shown the time of day.
"""

from __future__ import annotations

from collections.abc import Callable

RESTART_LIMIT = 3600.0
"""Seconds that one restart adds at most."""
SAVE_EVERY = 60.0
"""Seconds between two savings: what a crash takes back, unless the time of day knows of it."""


class OwnTime:
    """Seconds of the outbox's own time.

    Args:
        base: What it is now.
        clock: Seconds of a clock that never goes back or jumps.
    """

    def __init__(self, base: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = base - clock()

    def __call__(self) -> float:
        """The time."""
        return self._clock() + self._offset


def resumed(saved: tuple[float, float] | None, time_of_day: float) -> float:
    """What the own time is when it goes on, from what was saved: (own time, time of day)."""
    if saved is None:
        return time_of_day
    now, then = saved
    return now + min(max(time_of_day - then, 0.0), RESTART_LIMIT)
