"""Nothing is lost between the two halves: append, claim, settle, set aside, query."""

from router.outbox.attempt import KEPT, Attempt
from router.outbox.protocol import (
    LEASE,
    URGENCY,
    AppendListener,
    BatchIntake,
    Delivery,
    DeliveryRow,
    DeliverySelection,
    DeliveryState,
    Intake,
    NewEvent,
    Number,
    Queue,
    Records,
    Waiting,
    Wake,
    Wanted,
)
from router.outbox.settings import OutboxSettings
from router.outbox.settlement import (
    LONGEST_DELAY,
    Accepted,
    Postponed,
    SetAside,
    Settlement,
)

__all__ = [
    "KEPT",
    "LEASE",
    "LONGEST_DELAY",
    "URGENCY",
    "Accepted",
    "AppendListener",
    "Attempt",
    "BatchIntake",
    "Delivery",
    "DeliveryRow",
    "DeliverySelection",
    "DeliveryState",
    "Intake",
    "NewEvent",
    "Number",
    "OutboxSettings",
    "Postponed",
    "Queue",
    "Records",
    "SetAside",
    "Settlement",
    "Waiting",
    "Wake",
    "Wanted",
]
