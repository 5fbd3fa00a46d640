"""A trusted root that came from a repository; whoever has one need not know how it is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptRoot:
    """A trusted root that a repository vouches for."""

    body: bytes
    confirmed_at: float
    """When the repository said so last, in Unix time in seconds."""
    expires_at: float
    """Until when it said so."""
