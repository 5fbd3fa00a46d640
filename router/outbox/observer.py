"""Who counts what an outbox does by itself, and hears what is wrong with it."""

from __future__ import annotations

from typing import Final, Protocol

from router.telemetry.causes import Troubles, UnheardTroubles


class OutboxObserver(Troubles, Protocol):
    """Who counts what happens, and hears what is wrong; every call is quick."""

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """So many deliveries were given up."""

    def outbox_size(self, used: int, limit: int) -> None:
        """What the outbox holds, and what it may hold, in bytes."""


class Unobserved(UnheardTroubles):
    """Implements `OutboxObserver` where nobody counts."""

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """Nothing is done."""

    def outbox_size(self, used: int, limit: int) -> None:
        """Nothing is done."""


UNOBSERVED: Final[OutboxObserver] = Unobserved()
