"""How long we wait before the API server is asked again. Pure: the dice are an argument.

Full jitter, as in `router.delivery.backoff`, with bounds that fit one server which everybody in the cluster waits for:
half a second that doubles up to half a minute. What the server asks (`Retry-After`) outranks our arithmetic, within a
minute, plus a small jitter, so that not all who were told the same come at the same moment.
"""

from __future__ import annotations

FIRST_CEILING = 0.5
"""Seconds; the most that the first repetition waits."""
LAST_CEILING = 30.0
"""Seconds; the most that any repetition waits of its own accord."""
LEAST = 0.05
"""Seconds."""
LONGEST_ASKED = 60.0
"""Seconds that the server may make us wait."""
_JITTER = 0.25
_DOUBLINGS = 6  # 2**6 halves of a second are beyond the last ceiling


def delay(failures: int, dice: float, after: float | None = None) -> float:
    """Seconds until the next attempt.

    Args:
        failures: How many attempts in a row have failed, at least one.
        dice: Drawn evenly from [0, 1).
        after: Seconds that the server asked us to wait, where it did.
    """
    if after is not None and after > 0:
        return min(after, LONGEST_ASKED) + dice * _JITTER
    return max(LEAST, dice * min(LAST_CEILING, FIRST_CEILING * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS)))
