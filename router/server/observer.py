"""What the server reports about its connections: plain facts, whoever counts them."""

from __future__ import annotations

from typing import Protocol


class ServerObserver(Protocol):
    """Who counts what happens; every call is quick."""

    def turned_away(self, status: int) -> None:
        """A call was answered by this HTTP error, not by a review."""

    def connection_ended(self, reason: str) -> None:
        """We closed a connection; `reason` is one of `router.server.connection.Ending`."""

    def handshake_failed(self) -> None:
        """A TLS handshake came to nothing."""

    def client_refused(self) -> None:
        """A request came with a client certificate of another name."""
