from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.backoff import LONGEST_WAIT
from router.delivery.breaker import ASKED, FAILURES, HELPED, LAST_LONG_PAUSE, LAST_PAUSE, PROBES, REFUSALS, Breaker

IDS = count()


def fail(breaker: Breaker, now: float = 0.0, times: int = 1, *, after: float | None = None) -> None:
    """So many new events fail."""
    for _ in range(times):
        breaker.failed(f"event-{next(IDS)}", now, 0.0, is_new=True, after=after)


def refuse(breaker: Breaker, now: float = 0.0, times: int = 1) -> None:
    """So many new events are refused."""
    for _ in range(times):
        breaker.refused(f"event-{next(IDS)}", now, 0.0)


def opened(*, refused: bool = False) -> Breaker:
    breaker = Breaker()
    if refused:
        refuse(breaker, times=REFUSALS)
    else:
        fail(breaker, times=FAILURES)
    return breaker


def probe_in_vain(breaker: Breaker, now: float) -> None:
    for _ in range(PROBES):
        assert breaker.wait(now) == 0.0
        fail(breaker, now)


def test_it_opens_at_the_last_of_many_failures_in_a_row() -> None:
    breaker = Breaker()
    fail(breaker, times=FAILURES - 1)
    was_closed = breaker.is_closed
    fail(breaker)

    assert was_closed
    assert not breaker.is_closed
    assert breaker.wait(0.0) == 1.0


def test_one_event_that_fails_again_and_again_is_no_outage() -> None:
    """Whoever deploys may know what a receiver chokes on."""
    breaker = Breaker()
    for number in range(10 * FAILURES):
        breaker.failed("poison", float(number), 0.0, is_new=number == 0)

    assert breaker.is_closed


def test_one_event_that_is_refused_again_and_again_pauses_nothing() -> None:
    breaker = Breaker()
    for number in range(10 * REFUSALS):
        breaker.refused(f"poison-{number % (REFUSALS - 1)}", float(number), 0.0)

    assert breaker.is_closed


def test_one_success_ends_the_row() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        fail(breaker)
        refuse(breaker)
        breaker.answered()

    assert breaker.is_closed


def test_it_knows_since_when_nothing_has_been_accepted() -> None:
    breaker = Breaker()
    never = breaker.failing_for(5.0)
    fail(breaker, 10.0)
    fail(breaker, 11.0)
    after_failures = breaker.failing_for(12.0)
    breaker.answered()

    assert (never, after_failures, breaker.failing_for(20.0)) == (0.0, 2.0, 0.0)


def test_pauses_double_up_to_a_minute_while_probes_fail() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(9):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        probe_in_vain(breaker, now)

    assert pauses == [1, 2, 4, 8, 16, 32, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE]


def test_the_first_success_closes_it_and_the_next_pause_is_short_again() -> None:
    breaker = opened()
    probe_in_vain(breaker, 1.0)
    breaker.answered()
    fail(breaker, 9.0, FAILURES)

    assert breaker.wait(9.0) == 1.0


@pytest.mark.parametrize("refused", [True, False])
def test_attempts_that_were_under_way_do_not_prolong_the_pause(*, refused: bool) -> None:
    breaker = opened(refused=refused)
    fail(breaker, 0.5, 50)

    assert breaker.wait(0.5) == 0.5


def test_refused_credentials_pause_it_for_a_second_doubling_to_five_minutes() -> None:
    breaker, now, pauses = opened(refused=True), 0.0, []
    for _ in range(11):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        refuse(breaker, now)

    assert breaker.is_refused
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LAST_LONG_PAUSE, LAST_LONG_PAUSE]


def test_refusals_of_different_events_pause_what_was_open_already() -> None:
    breaker = opened()
    refuse(breaker, 0.1, REFUSALS)

    assert breaker.is_refused


@pytest.mark.parametrize("refused", [True, False])
def test_whoever_has_mended_it_has_it_probed_at_once(*, refused: bool) -> None:
    breaker = opened(refused=refused)
    fail(breaker, 0.0, after=900.0)
    breaker.hurry(0.5)

    assert breaker.wait(0.5) == 0.0
    assert not breaker.is_closed


def test_what_the_receiver_asks_for_holds_for_all() -> None:
    """Also where it accepts what was under way."""
    breaker = Breaker()
    fail(breaker, 0.0, after=30.0)
    breaker.answered()

    assert breaker.wait(10.0) == 20.0


def test_where_waiting_does_not_help_only_many_in_a_row_hold_up_all() -> None:
    breaker, waits = Breaker(), list[float]()
    fail(breaker, 0.0, after=1.0)
    breaker.answered()
    for _ in range(ASKED):
        fail(breaker, 10.0, after=1.0)
        waits.append(breaker.wait(10.0))
    for _ in range(HELPED):
        breaker.answered()
    fail(breaker, 20.0, after=1.0)

    assert waits == [0.0] * (ASKED - 1) + [1.0]
    assert breaker.wait(20.0) == 1.0, "it has helped, so it is believed again"


@given(
    events=st.lists(
        st.tuples(
            st.floats(0, 1000),
            st.floats(0, 1, exclude_max=True),
            st.none() | st.floats(0, 1e6),
            st.sampled_from(["success", "failure", "refusal", "mended"]),
            st.sampled_from("abcdef"),
        ),
        max_size=60,
    )
)
def test_whatever_happens_something_is_tried_within_an_hour(
    events: list[tuple[float, float, float | None, str, str]],
) -> None:
    breaker, now = Breaker(), 0.0
    for seconds, dice, after, what, event_id in events:
        now += seconds
        match what:
            case "success":
                breaker.answered()
            case "failure":
                breaker.failed(event_id, now, dice, is_new=True, after=after)
            case "refusal":
                breaker.refused(event_id, now, dice, after=after)
            case _:
                breaker.hurry(now)

        assert 0.0 <= breaker.wait(now) <= LONGEST_WAIT + 0.001  # sums of floats
        assert breaker.is_closed or what != "success"
        assert breaker.is_closed or not breaker.is_refused or what != "success"
