"""When an attempt that failed is made again (pure; the dice are an argument).

Rules:
(1) Full jitter: a delay is drawn evenly from nothing to a ceiling of 1 s that doubles up to 5 min, and is never
    below 50 ms (Marc Brooker, "Exponential Backoff And Jitter": the spread is what keeps a crowd of deliveries from
    coming back as one).
(2) While the destination accepts nothing at all, the ceiling doubles with each attempt, but is not beyond the time
    that this has lasted already. A destination that was away for a minute is back within about a minute; and where
    only a few events are left, a row of bad luck is not taken for a long outage, as a count of failures would.
(3) A destination that accepts others is not down, so an event that failed there is tried again soon. Its ceiling
    doubles only with every `PATIENT_ATTEMPTS` of its own attempts: bad luck passes, and an event that the
    receiver chokes on still slows down, until it is set aside.
(4) What the receiver asks outranks our arithmetic (RFC 9110, clause 10.2.3): with Retry-After the delay is that,
    at most one hour, plus a small jitter so that not all who were told the same come at the same moment. Nor does
    such an answer count as an outage: who asks us to wait is there.
"""

from __future__ import annotations

FIRST_CEILING = 1.0
"""Seconds; the most that the first repetition waits."""
LAST_CEILING = 300.0
"""Seconds; the most that any repetition waits of its own accord."""
LEAST_DELAY = 0.05
"""Seconds."""
PATIENT_ATTEMPTS = 8
"""Attempts of one event between two doublings, while the destination accepts others."""
LONGEST_WAIT = 3600.0
"""Seconds; what a receiver may ask for at most."""
ASKED_JITTER = 0.25
"""Seconds that may be added to what a receiver asked for."""

_DOUBLINGS = 9  # 2**9 s is beyond the last ceiling


def ceiling(attempts: int, failing_for: float) -> float:
    """The longest delay, in seconds, before the next attempt.

    Args:
        attempts: How often this event was tried, at least once.
        failing_for: Seconds in which the destination has only failed, and accepted no event at all.
    """
    own = max(attempts - 1, 0)
    while_down = min(_doubled(own), max(FIRST_CEILING, failing_for))
    return min(LAST_CEILING, max(while_down, _doubled(own // PATIENT_ATTEMPTS)))


def _doubled(times: int) -> float:
    return FIRST_CEILING * 2.0 ** min(times, _DOUBLINGS)


def delay(attempts: int, failing_for: float, dice: float, after: float | None = None) -> float:
    """Seconds until the next attempt.

    Args:
        attempts: How often this event was tried, at least once.
        failing_for: Seconds in which the destination has only failed, and accepted no event at all.
        dice: Drawn evenly from [0, 1).
        after: Seconds that the receiver asked us to wait, where it did.
    """
    if after is not None and after > 0:
        return min(after, LONGEST_WAIT) + dice * ASKED_JITTER
    return max(LEAST_DELAY, dice * ceiling(attempts, failing_for))
