"""What delivery is given: a destination with its rendering, who counts, and what all lanes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.destinations.document import Destination, Document
from router.destinations.outcome import Outcome
from router.outbox import Delivery, Settlement

Render = Callable[[str, bytes], Document]
"""(event id, whole event) -> what is sent. Never raises for what an event holds."""


class Observer(Protocol):
    """Who counts what happens; every call is quick."""

    def attempted(self, destination: str, outcome: Outcome) -> None:
        """An attempt ended."""

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived, so many seconds after it was stored."""

    def set_aside(self, destination: str, reason: str) -> None:
        """A delivery was given up."""

    def fell_back(self, destination: str) -> None:
        """A template failed; the minimal payload went out."""

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """The destination began or ceased to refuse our credentials."""


class Deliveries(Protocol):
    """The part of the outbox that delivery needs."""

    async def claim(self, destination: str, limit: int, now: float) -> Sequence[Delivery]:
        """Deliveries that are due and that nobody has claimed. Raises OutboxError."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record what became of claimed deliveries; durable when it returns. Raises OutboxError."""

    def release(self, destination: str, sequences: Sequence[int]) -> None:
        """Give claims back that were not settled."""

    async def next_due(self, destination: str) -> float | None:
        """When the next unclaimed delivery is due, in seconds since 1970. Raises OutboxError."""

    def subscribe(self, callback: Callable[[frozenset[str]], None]) -> None:
        """Call back with the destinations of newly appended events."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination and how events are rendered for it."""

    destination: Destination
    render: Render


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lanes share."""

    outbox: Deliveries
    observer: Observer
    clock: Callable[[], float]
    """Seconds since 1970."""
    dice: Callable[[], float]
    """Evenly from [0, 1)."""
