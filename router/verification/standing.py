"""Whether a certificate still stands, or was revoked: values, and how that is asked. Pure.

`Good` says until when; `Revoked` is definite; `Unknown` is neither, and never good enough.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and that of who issued it, in DER; the issuer's signature has been checked."""

    certificate: bytes
    issuer: bytes


@dataclass(frozen=True, slots=True)
class Good:
    """It was not revoked."""

    until: float = math.inf
    """Unix time in seconds from which that is to be asked anew."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Whoever issued it does not stand by it any more."""

    until: float
    """Unix time in seconds from which that may be asked anew."""
    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """That could not be found out."""

    until: float
    """Unix time in seconds before which it is of no use to ask again."""
    detail: str


CertificateStanding: TypeAlias = Good | Revoked | Unknown

AskStanding: TypeAlias = Callable[[Issued, float], Awaitable[CertificateStanding]]
"""Asks whether a certificate stands, by a deadline in the time of the running loop; never raises for it."""
