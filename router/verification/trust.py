"""Whom a scheme trusts, as a value: what it checks signatures with, what names that, and until when it is good. Pure.

Rules:
(1) A scheme reads its trust once for each judgement and uses that one value until the judgement is made, so that a
    change in between mixes nothing. Where it comes from (keys of the configuration, later files and a network) is the
    scheme's own; reading it costs an attribute.
(2) The id follows from the material alone and is part of what a judgement is remembered under: what was proven under
    another trust is not known any more.
(3) Nothing is proven under a trust that has ended, and no proof is good for longer than the trust that it was made
    under.
(4) One key under several names is one signer with several names: it can be required by each, and counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

M_co = TypeVar("M_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Trust(Generic[M_co]):
    """Whom a scheme trusts at one moment."""

    id: str
    """Equal ids: equal material."""
    material: M_co
    """What signatures are checked with, in the scheme's own shape."""
    valid_until: float | None = None
    """Unix time in seconds from which it is trusted no more; None: its source says so by giving another one."""

    def has_ended(self, now: float) -> bool:
        """Whether nothing may be proven with it any more; `now` is Unix time in seconds."""
        return self.valid_until is not None and now >= self.valid_until
