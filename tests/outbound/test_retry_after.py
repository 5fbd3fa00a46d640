from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.outbound.retry_after import RETRY_AFTER_LIMIT, seconds_asked

NOW = 784111740.0
"""Sun, 06 Nov 1994 08:49:00 GMT."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999", RETRY_AFTER_LIMIT),
        ("9" * 21, RETRY_AFTER_LIMIT),
        ("9" * 5000, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 37.0),
        ("Sun Nov  6 08:49:37 1994", 37.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 37.0),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 0.0),
        ("Tue, 06 Nov 2094 08:49:37 GMT", RETRY_AFTER_LIMIT),
        ("Tue, 14 Nov 99999 22:13:50 GMT", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("-5", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("soon", None),
        ("", None),
    ],
)
def test_it_is_read_in_every_form_that_http_has(text: str | None, seconds: float | None) -> None:
    """Seconds, and three forms of dates (RFC 9110, clauses 10.2.3 and 5.6.7)."""
    assert seconds_asked(text, NOW) == seconds


@given(st.text(max_size=40) | st.text("0123456789,: GMTNov+-", max_size=40), st.floats(0, 4e9))
def test_nobody_makes_us_wait_longer_than_our_limit(text: str, now: float) -> None:
    asked = seconds_asked(text, now)

    assert asked is None or 0 <= asked <= RETRY_AFTER_LIMIT


@given(st.integers(0, 3600), st.integers(10**6, 10**9))
def test_both_forms_mean_the_same(seconds: int, now: int) -> None:
    as_date = formatdate(now + seconds, usegmt=True)

    assert seconds_asked(str(seconds), now) == seconds_asked(as_date, now) == seconds


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_as_far_as_it_says(seconds: int) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)

    assert seconds_asked(date, NOW) == min(max(0, seconds), RETRY_AFTER_LIMIT)
