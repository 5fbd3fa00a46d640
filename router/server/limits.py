"""What connections may cost whoever is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Limits of one listener; the defaults are those of the webhook."""

    most: int = 512
    """Connections at once, handshakes included. Three API servers with 200 mutating requests each in flight (their
    default) on two replicas need 300; what 512 can hold in buffers fits into the memory that is shipped."""
    share: float = 3.0
    """Times what is still free that one address may have: 384 for one alone, 219 each for two, 46 each for eleven. Who
    asks much from few addresses so leaves room for everybody else, however long its requests take."""
    handshake: float = 10.0
    """Seconds for a TLS handshake."""
    head: float = 10.0
    """Seconds from the first byte of a request's head to its last."""
    silent: float = 150.0
    """Seconds that a silent connection is kept: more than the API server's own 90 s, since a close under a request is
    an error for a user, and there is no second attempt."""
    answer: float = 10.0
    """Seconds in which an answer has to be taken."""
    request: float = 60.0
    """Seconds that anything may be in hand: beyond every deadline, the last boundary."""
    goodbye: float = 2.0
    """Seconds in which the other side may confirm the end of a TLS connection."""
    largest_head: int = 32 * 1024
    """Bytes of a head, all its lines together."""
    welcome: float = 0.1
    """Seconds for which somebody new, who has not asked yet, is not closed to make room."""
    hesitation: float = 1.0
    """Seconds for which a request that waits for its own client is not closed to make room."""


WEBHOOK = ListenerLimits()
OPERATIONS = ListenerLimits(most=64)
"""For probes and scrapers."""
