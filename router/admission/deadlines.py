"""How long a review may take. Pure.

Rules:
(1) Kept back of the call's own `?timeout=` (a Go duration) is a fifth, at least 250 ms and at most 1 s: half of it for
    storing the event, half for the way back. What is left, and at most `webhook.deadline`, is for judging.
(2) Without a timeout that can be read, the API server's patience is unknown: `webhook.deadline` is for judging.
(3) The call's timeout bounds storing, too: it never takes longer than its share after the end of judging.
(4) Where receipts are waited for before an admission, judging ends a quarter of its time earlier, at most 2 s: else
    whoever runs a slow registry would decide that nobody can be told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

LEAST_KEPT, LARGEST_KEPT = 0.25, 1.0
"""Seconds that are kept back at least and at most."""
TELLING, LONGEST_TELLING = 0.25, 2.0
"""The share of judging that is kept for receipts, and the most of it in seconds."""
TEXT_LIMIT = 64
"""Characters of a duration."""

_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|m|s|ms|us|µs|ns)){1,6}", re.ASCII)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Allowance:
    """Seconds of a review, from its first byte."""

    judging: float
    storing: float
    """Until the event must be stored; then there is only time for the way back."""


def judging_before_receipts(came: float, deadline: float) -> float:
    """When judging must end that has until `deadline` together with the receipts for what it finds, rule (4)."""
    return deadline - min(LONGEST_TELLING, (deadline - came) * TELLING)


@lru_cache(maxsize=1024)
def allowance(timeout: str, most: float) -> Allowance:
    """What a call with this timeout (such as `10s`) allows; `most` is the longest that judging may take."""
    asked = _seconds(timeout)
    if asked is None:
        return Allowance(most, most + LARGEST_KEPT / 2)
    kept = min(LARGEST_KEPT, max(LEAST_KEPT, asked / 5))
    judging = max(0.0, min(most, asked - kept))
    return Allowance(judging, judging + kept / 2)


def _seconds(timeout: str) -> float | None:
    if len(timeout) > TEXT_LIMIT or not _DURATION.fullmatch(timeout):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(timeout))
