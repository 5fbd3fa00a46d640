"""Who counts what delivery does."""

from __future__ import annotations

from typing import Protocol

from router.telemetry.causes import Troubles


class DeliveryObserver(Troubles, Protocol):
    """Who counts what happens, and hears what is wrong; every call is quick."""

    def attempted(self, destination: str, outcome: str) -> None:
        """An attempt ended; `outcome` is an outcome's label."""

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived, so many seconds after it was stored."""

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """So many deliveries were given up."""

    def fell_back(self, destination: str) -> None:
        """A template failed, or the receiver found the payload too large; the minimal payload went out."""

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """The destination began or ceased to refuse our credentials."""
