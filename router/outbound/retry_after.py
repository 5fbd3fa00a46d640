"""`Retry-After`: how long the other side asks us to wait (RFC 9110, clause 10.2.3). Pure.

It outranks our own arithmetic, within an hour: whoever answers must not silence us for longer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_LIMIT = 3600.0
"""Seconds that an answer may make us wait."""
_DIGITS = 20
"""More than any honest number of seconds has; Python's `int` and `float` need not read thousands of them."""
_CHARACTERS = 100
"""More than a date has, in any form."""


def seconds_asked(value: str | None, now: float) -> float | None:
    """Seconds to wait, from 0 to the limit, of seconds or a date; None where nothing is said that can be understood.

    `now` is the time of day in seconds since 1970.
    """
    if value is None or len(value) > _CHARACTERS:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), RETRY_AFTER_LIMIT) if len(text) <= _DIGITS else RETRY_AFTER_LIMIT
    try:
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        seconds = (when - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, seconds), RETRY_AFTER_LIMIT)
