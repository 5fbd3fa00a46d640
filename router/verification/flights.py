"""One piece of work per key is under way, shared by all who want its result.

Rules:
(1) Who asks for what is being found out waits for that. A waiter that gives up, is cancelled or runs out of time takes
    nothing from the others; when the last one goes, the work ends.
(2) A flight has the deadline of those who waited when it began. If it ran out of time, a waiter that still has some
    flies again, once for all who wait by then, until the latest of their deadlines.
(3) What nobody expected (a bug) reaches everybody who waits.
(4) A flight never waits for a turn: whoever joins has its own (`turns`), so nobody waits longer because of who was
    first. What the flight asks is on the wire for all who have joined it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from router.registry.wire import ImageWire, listen, wire

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
FlightWork: TypeAlias = Callable[[float], Coroutine[Any, Any, T]]
"""Finds something out until a deadline, in the time of the running loop."""


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    deadline: float
    latest: float
    """The latest deadline of those who ever waited for it."""
    wire: ImageWire
    """What it asks."""
    waiting: int = 0


class Flights(Generic[K, T]):
    """One piece of work per key, shared by all who want its result.

    Args:
        ran_out: Whether a result says that there was no time: whoever still has some flies again.
    """

    def __init__(self, ran_out: Callable[[T], bool]) -> None:
        self._ran_out = ran_out
        self._flights: dict[K, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: K, deadline: float, work: FlightWork[T]) -> T | None:
        """The result of the work, which may be under way already; None where there is none at the deadline."""
        until = deadline
        while True:
            flight = self._flights.get(key) or self._start(key, until, work)
            await self._wait(key, flight, deadline)
            if not flight.task.done():
                return None
            result = flight.task.result()
            if flight.deadline >= deadline or not self._ran_out(result):
                return result
            until = max(deadline, flight.latest)

    def _start(self, key: K, deadline: float, work: FlightWork[T]) -> _Flight[T]:
        own = ImageWire()
        context = contextvars.copy_context()
        context.run(listen, own)
        task = asyncio.get_running_loop().create_task(work(deadline), context=context)
        flight = _Flight(task, deadline, deadline, own)
        self._flights[key] = flight
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    async def _wait(self, key: K, flight: _Flight[T], deadline: float) -> None:
        flight.waiting += 1
        if (mine := wire()) is not None:
            mine.join(flight.wire)
        flight.latest = max(flight.latest, deadline)
        try:
            remaining = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({flight.task}, timeout=max(0.0, remaining))
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()

    def _landed(self, key: K, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        self._forget(key, flight)
        if not task.cancelled():
            task.exception()  # seen here, so that asyncio does not complain where nobody waits any more

    def _forget(self, key: K, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
