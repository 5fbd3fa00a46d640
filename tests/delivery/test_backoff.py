from hypothesis import given
from hypothesis import strategies as st

from router.delivery.backoff import (
    ASKED_JITTER,
    LAST_CEILING,
    LEAST_DELAY,
    LONGEST_WAIT,
    PATIENT_ATTEMPTS,
    ceiling,
    delay,
)

COUNTS = st.integers(1, 10**6)
DICE = st.floats(0, 1, exclude_max=True)


SECONDS = st.floats(0, 1e7)


@given(COUNTS, SECONDS, DICE)
def test_a_delay_is_within_its_bounds(attempts: int, failing_for: float, dice: float) -> None:
    assert LEAST_DELAY <= delay(attempts, failing_for, dice) <= max(LEAST_DELAY, ceiling(attempts, failing_for))
    assert 1.0 <= ceiling(attempts, failing_for) <= LAST_CEILING


@given(COUNTS, SECONDS, SECONDS)
def test_the_ceiling_never_falls_with_further_failures_or_time(attempts: int, failing_for: float, more: float) -> None:
    assert ceiling(attempts + 1, failing_for) >= ceiling(attempts, failing_for)
    assert ceiling(attempts, failing_for + more) >= ceiling(attempts, failing_for)


def test_it_doubles_with_each_attempt_in_a_long_outage() -> None:
    assert [ceiling(attempt, 3600.0) for attempt in range(1, 12)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(1, PATIENT_ATTEMPTS), SECONDS)
def test_nobody_waits_longer_than_the_outage_has_lasted(attempts: int, failing_for: float) -> None:
    assert ceiling(attempts, failing_for) <= max(1.0, failing_for)


def test_an_event_that_fails_for_the_first_time_is_tried_again_soon_however_long_the_others_have_failed() -> None:
    assert ceiling(1, 86400.0) == 1.0


def test_where_others_are_accepted_an_event_slows_down_late_but_does() -> None:
    """Two thirds of the answers may be failures by chance; a receiver that chokes on one event must not be hammered."""
    assert [ceiling(1 + step * PATIENT_ATTEMPTS, 0.0) for step in range(5)] == [1, 2, 4, 8, 16]
    assert ceiling(100, 0.0) == LAST_CEILING


@given(COUNTS, SECONDS, DICE, st.floats(0.001, 10**7))
def test_what_the_receiver_asks_outranks_the_arithmetic_within_an_hour(
    attempts: int, failing_for: float, dice: float, after: float
) -> None:
    wanted = min(after, LONGEST_WAIT)

    assert wanted <= delay(attempts, failing_for, dice, after) <= wanted + ASKED_JITTER


@given(DICE, st.floats(max_value=0.0, allow_nan=False))
def test_a_receiver_that_asks_for_nothing_or_less_does_not_make_us_hurry(dice: float, after: float) -> None:
    assert delay(1, 0.0, dice, after) == delay(1, 0.0, dice)
