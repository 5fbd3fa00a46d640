"""What delivery is given: a destination with its rendering, who counts, and what all lanes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from router.destinations.document import Destination, Document
from router.outbox import Queue
from router.telemetry.causes import Troubles

Render = Callable[[str, bytes], Document]
"""(event id, whole event) -> what is sent. Never raises for what an event holds."""


class Observer(Troubles, Protocol):
    """Who counts what happens, and hears what is wrong; every call is quick."""

    def attempted(self, destination: str, outcome: str) -> None:
        """An attempt ended; `outcome` is an outcome's label."""

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived, so many seconds after it was stored."""

    def set_aside(self, destination: str, reason: str) -> None:
        """A delivery was given up."""

    def fell_back(self, destination: str) -> None:
        """A template failed; the minimal payload went out."""

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """The destination began or ceased to refuse our credentials."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination and how events are rendered for it."""

    destination: Destination
    render: Render


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lanes share."""

    queue: Queue
    observer: Observer
    clock: Callable[[], float]
    """Seconds since 1970."""
    dice: Callable[[], float]
    """Evenly from [0, 1)."""
