"""Nothing is lost between the two halves: append, claim, settle, set aside, query."""

from router.outbox.protocol import (
    LEASE,
    Accepted,
    Delivery,
    DeliveryRow,
    DeliveryState,
    Intake,
    NewEvent,
    Number,
    Postponed,
    Queue,
    Records,
    Selection,
    SetAside,
    Settlement,
    Told,
    Waiting,
)
from router.outbox.settings import OutboxSettings

__all__ = [
    "LEASE",
    "Accepted",
    "Delivery",
    "DeliveryRow",
    "DeliveryState",
    "Intake",
    "NewEvent",
    "Number",
    "OutboxSettings",
    "Postponed",
    "Queue",
    "Records",
    "Selection",
    "SetAside",
    "Settlement",
    "Told",
    "Waiting",
]
