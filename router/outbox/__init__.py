"""Nothing is lost between the two halves: append, claim, settle, set aside, query."""

from router.outbox.protocol import (
    Accepted,
    Delivery,
    DeliveryRow,
    DeliveryState,
    NewEvent,
    Outbox,
    Postponed,
    Selection,
    SetAside,
    Settlement,
    Waiting,
)
from router.outbox.settings import OutboxSettings

__all__ = [
    "Accepted",
    "Delivery",
    "DeliveryRow",
    "DeliveryState",
    "NewEvent",
    "Outbox",
    "OutboxSettings",
    "Postponed",
    "Selection",
    "SetAside",
    "Settlement",
    "Waiting",
]
