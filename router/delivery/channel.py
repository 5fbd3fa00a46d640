"""What delivery is given: a destination with its rendering, who counts, and what all lanes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from router.delivery.budget import DeliveryBudget
from router.delivery.observer import DeliveryObserver
from router.delivery.standing import DestinationStanding
from router.destinations.document import Destination, Document
from router.outbox import Queue

Render = Callable[[str, bytes, str], Document]
"""(event id, whole event, template that a route names, or empty) -> what is sent. Never raises for what it holds."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination and how events are rendered for it."""

    destination: Destination
    render: Render
    standing: DestinationStanding = field(default_factory=DestinationStanding, compare=False)
    """How we stand with it, shared by all who make attempts."""


@dataclass(frozen=True, slots=True)
class LaneResources:
    """What lanes share."""

    queue: Queue
    observer: DeliveryObserver
    clock: Callable[[], float]
    """Seconds since 1970."""
    dice: Callable[[], float]
    """Evenly from [0, 1)."""
    budget: DeliveryBudget = field(default_factory=DeliveryBudget)
    """What all lanes together may hold."""
