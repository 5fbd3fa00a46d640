"""Logs whose word counts: of certificates (CT) or of signatures (Rekor). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from router.verification.keys import PublicKey
from router.verification.pki.certificates import Period


@dataclass(frozen=True, slots=True)
class Log:
    """A log of a trust root."""

    id: bytes
    """What it is called by in evidence."""
    key: PublicKey
    period: Period
    """When its word counts."""
    origin: str
    """Its address without the scheme."""

    @property
    def names(self) -> frozenset[str]:
        """What it may call itself: its address, with or without the path."""
        return frozenset({self.origin, self.origin.partition("/")[0]})
