"""Whether a destination may be told once more in a period, where it has a rate. Pure.

A namespace may use up to half of what the others have left it, and one message at least while there is any: so whoever
makes a hundred throw-away owners in his namespace uses up his own share, and every other namespace still has one.
"""

from __future__ import annotations

import re

from router.fields import Rate

_PERIOD = re.compile(r"rate:([0-9]+):([0-9.e+-]+)", re.ASCII)


def period_of(rate: Rate, now: float) -> str:
    """The period in which that own time is, as it is stored."""
    return f"rate:{int(now // rate.seconds)}:{rate.seconds!r}"


def has_passed(period: str, now: float) -> bool:
    """Whether a stored period is over at that own time; True for what is none."""
    found = _PERIOD.fullmatch(period)
    return found is None or now >= (int(found[1]) + 1) * float(found[2])


def is_period(source: str) -> bool:
    """Whether this is a period, and neither a silence nor intervals."""
    return source.startswith("rate:")


def may_tell(rate: Rate, own: int, others: int) -> bool:
    """Whether a namespace that was told of `own` times may be told of again, when others were `others` times."""
    left = rate.count - others
    return own + others < rate.count and own < max(1, (left + 1) // 2)
