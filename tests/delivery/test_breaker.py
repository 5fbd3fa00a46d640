import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.backoff import LONGEST_WAIT
from router.delivery.breaker import FAILURES, FIRST_LONG_PAUSE, LAST_LONG_PAUSE, LAST_PAUSE, PROBES, Breaker


def opened(*, refused: bool = False) -> Breaker:
    breaker = Breaker()
    for _ in range(1 if refused else FAILURES):
        breaker.failed(0.0, 0.0, refused=refused)
    return breaker


def probe_in_vain(breaker: Breaker, now: float) -> None:
    for _ in range(PROBES):
        assert breaker.wait(now) == 0.0
        breaker.failed(now, 0.0)


def test_it_opens_at_the_last_of_many_failures_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(0.0, 0.0)
    was_closed = breaker.is_closed
    breaker.failed(0.0, 0.0)

    assert was_closed
    assert not breaker.is_closed
    assert breaker.wait(0.0) == 1.0


def test_one_success_ends_the_row() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.failed(0.0, 0.0)
        breaker.accepted()

    assert breaker.is_closed


def test_it_knows_since_when_nothing_has_been_accepted() -> None:
    breaker = Breaker()
    never = breaker.failing_for(5.0)
    breaker.failed(10.0, 0.0)
    breaker.failed(11.0, 0.0)
    after_failures = breaker.failing_for(12.0)
    breaker.accepted()

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
    breaker.accepted()
    for _ in range(FAILURES):
        breaker.failed(9.0, 0.0)

    assert breaker.wait(9.0) == 1.0


def test_attempts_that_were_under_way_do_not_prolong_the_pause() -> None:
    breaker = opened()
    for _ in range(50):
        breaker.failed(0.5, 0.0)

    assert breaker.wait(0.5) == 0.5


def test_refused_credentials_open_it_at_once_and_for_long() -> None:
    breaker, now, pauses = opened(refused=True), 0.0, []
    for _ in range(5):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        breaker.failed(now, 0.0, refused=True)

    assert breaker.is_refused
    assert pauses == [FIRST_LONG_PAUSE, 120.0, 240.0, LAST_LONG_PAUSE, LAST_LONG_PAUSE]


def test_refused_credentials_lengthen_a_pause_that_has_begun() -> None:
    breaker = opened()
    breaker.failed(0.1, 0.0, refused=True)

    assert breaker.wait(0.1) == FIRST_LONG_PAUSE


def test_a_probe_that_fails_otherwise_says_that_the_credentials_are_accepted() -> None:
    breaker = opened(refused=True)
    probe_in_vain(breaker, FIRST_LONG_PAUSE)

    assert not breaker.is_refused
    assert breaker.wait(FIRST_LONG_PAUSE) == 1.0


def test_a_pause_is_never_shorter_than_what_the_receiver_asked_for() -> None:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(0.0, 0.5, after=30.0)

    assert breaker.wait(0.0) == 30.0


@pytest.mark.parametrize("refused", [True, False])
@given(
    events=st.lists(
        st.tuples(st.floats(0, 1000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e6), st.booleans()),
        max_size=60,
    )
)
def test_whatever_happens_something_is_tried_within_an_hour(
    events: list[tuple[float, float, float | None, bool]], *, refused: bool
) -> None:
    breaker, now = Breaker(), 0.0
    for seconds, dice, after, is_success in events:
        now += seconds
        if is_success:
            breaker.accepted()
        else:
            breaker.failed(now, dice, after=after, refused=refused)

        assert 0.0 <= breaker.wait(now) <= LONGEST_WAIT + 0.001  # sums of floats
        assert breaker.is_closed or not is_success
