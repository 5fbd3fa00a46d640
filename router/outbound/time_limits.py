"""How long each of many that are under way may take, by one timer for all of them; else as `asyncio.timeout_at`.

A timer for each exchange is made, sorted in and cancelled again, almost always for nothing.

Rules:
(1) Who is not done at his end is cancelled then, and no later: the timer is set for the first end of all that are under
    way. It may strike in vain, where that one was done in time, and is set anew.
(2) That becomes `TimeoutError` where the context ends. A task that somebody else cancels, too, stays cancelled.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimits:
    """Those of one event loop that are under way."""

    def __init__(self) -> None:
        self._under_way: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def until(self, end: float) -> TimeLimit:
        """A context that is cancelled at that time of the event loop, once.

        Raises:
            TimeoutError: Where it ends, if it was.
        """
        return TimeLimit(self, end)

    def began(self, limit: TimeLimit) -> None:
        """It is under way."""
        self._under_way.add(limit)
        if self._timer is None or limit.end < self._next:
            self._set(limit.end)

    def ended(self, limit: TimeLimit) -> None:
        """It is no longer."""
        self._under_way.discard(limit)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = at
        self._timer = asyncio.get_running_loop().call_at(at, self._strike)

    def _strike(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for limit in [one for one in self._under_way if one.end <= now]:
            self._under_way.discard(limit)
            limit.strike()
        if self._under_way:
            self._set(min(one.end for one in self._under_way))


class TimeLimit:
    """One of them.

    Attributes:
        end: Of the event loop's time.
    """

    __slots__ = ("_before", "_is_struck", "_limits", "_task", "end")

    def __init__(self, limits: TimeLimits, end: float) -> None:
        self.end = end
        self._limits = limits
        self._is_struck = False

    def __enter__(self) -> None:
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("a time limit is for what runs in a task")
        self._task, self._before = task, task.cancelling()
        self._limits.began(self)

    def strike(self) -> None:
        """It is time."""
        self._is_struck = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_struck:
            self._limits.ended(self)
        elif self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
