"""How long it was watched: exact over restarts, and by no step of a clock longer than it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.readiness import beats
from router.readiness.watching import GAPS_KEPT, SHORTEST, Gap, Watch, together
from tests.readiness.stage import Ledger

HOUR = 3600.0
T = 1_790_000_000.0


def test_a_gap_that_is_longer_begins_it_anew_and_a_shorter_one_does_not() -> None:
    watch = Watch(
        T,
        T + 10 * HOUR,
        (
            Gap(T + HOUR, T + 1.5 * HOUR),
            Gap(T + 5 * HOUR, T + 7 * HOUR),
        ),
    )

    assert watch.since(HOUR, None, T + 10 * HOUR) == T + 7 * HOUR
    assert watch.since(3 * HOUR, None, T + 10 * HOUR) == T
    assert watch.since(0.1 * HOUR, None, T + 10 * HOUR) == T + 7 * HOUR


@pytest.mark.parametrize(
    ("scanned_at", "since"), [(T + 8 * HOUR, T), (T + 6 * HOUR, T + 7 * HOUR), (None, T + 7 * HOUR)]
)
def test_only_a_full_scan_after_its_end_makes_good_for_a_gap(scanned_at: float | None, since: float) -> None:
    watch = Watch(T, T + 10 * HOUR, (Gap(T + 5 * HOUR, T + 7 * HOUR),))

    assert watch.since(HOUR, scanned_at, T + 10 * HOUR) == since


def test_who_asks_when_nobody_has_watched_for_long_sees_the_gap_that_goes_on() -> None:
    assert Watch(T, T + HOUR).since(HOUR, None, T + 9 * HOUR) == T + 9 * HOUR


def test_a_restart_is_measured_by_the_time_of_day(seen: Ledger) -> None:
    beats.beat(seen.connection, T, None)
    beats.beat(seen.connection, T + 60.0, 60.0)
    beats.beat(seen.connection, T + 5 * HOUR, None)
    watch = beats.watch(seen.connection)

    assert watch is not None
    assert watch.gaps == (Gap(T + 60.0, T + 5 * HOUR),)


@pytest.mark.parametrize("step", [-9 * HOUR, 9 * HOUR])
def test_a_step_of_the_clock_of_a_process_that_goes_on_is_no_gap(seen: Ledger, step: float) -> None:
    beats.beat(seen.connection, T, None)
    beats.beat(seen.connection, T + step, 60.0)
    watch = beats.watch(seen.connection)

    assert watch is not None
    assert (watch.gaps, watch.beat_at) == ((), T + step)


def test_a_clock_that_stepped_back_over_a_restart_hides_no_gap(seen: Ledger) -> None:
    beats.beat(seen.connection, T, None)
    beats.beat(seen.connection, T - 5 * HOUR, None)
    watch = beats.watch(seen.connection)

    assert watch is not None
    assert watch.since(HOUR, None, T - 5 * HOUR) == T - 5 * HOUR


@given(st.lists(st.integers(0, 36_000), max_size=GAPS_KEPT + 20), st.integers(int(SHORTEST), 18_000))
def test_any_run_is_as_long_as_the_time_since_its_last_long_silence(silences: list[int], longest: int) -> None:
    """Up to the bound of gaps that are kept, beyond which the shortest are forgotten."""
    watch, now, since = Watch(T, T), T, T
    for silent in silences:
        now += silent
        watch = watch.beaten(now, silent)
        since = now if silent > longest and silent >= SHORTEST else since

    assert len(watch.gaps) <= GAPS_KEPT
    if sum(silent >= SHORTEST for silent in silences) <= GAPS_KEPT:
        assert watch.since(longest, None, now) == pytest.approx(since)


def test_of_several_replicas_it_is_a_gap_where_none_of_them_watched() -> None:
    first = Watch(T, T + 9 * HOUR, (Gap(T + HOUR, T + 4 * HOUR),))
    second = Watch(T + 2 * HOUR, T + 10 * HOUR, (Gap(T + 5 * HOUR, T + 8 * HOUR),))

    assert together([first]) == first
    assert together([first, second]) == Watch(T, T + 10 * HOUR, (Gap(T + HOUR, T + 2 * HOUR),))
    assert together([first, Watch(T - HOUR, T + 20 * HOUR)]) == Watch(T - HOUR, T + 20 * HOUR)
    assert together([]) is None


watches = st.builds(
    lambda began, silences: _run(T + began, silences),
    st.integers(0, 100_000),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(int(SHORTEST), 40_000)), max_size=6),
)


def _run(began: float, silences: list[tuple[int, int]]) -> Watch:
    watch, now = Watch(began, began), began
    for watched, silent in silences:
        now += watched
        watch = Watch(watch.began_at, now, watch.gaps)
        now += silent
        watch = watch.beaten(now, silent)
    return watch


@given(st.lists(watches, min_size=1, max_size=4), st.integers(-10_000, 400_000))
def test_a_moment_is_in_a_gap_of_all_exactly_where_it_is_in_none_of_their_stretches(
    some: list[Watch], after: int
) -> None:
    """But for gaps that are shorter than any that is kept."""
    whole, at = together(some), T + after + 0.5
    assert whole is not None
    is_watched = any(begin <= at <= end for watch in some for begin, end in watch.stretches())
    is_in_gap = any(gap.begin < at < gap.end for gap in whole.gaps)
    is_within = whole.began_at <= at <= whole.beat_at

    assert not (is_watched and is_in_gap)
    if is_within and not is_watched and not is_in_gap:
        ends = [end for watch in some for _, end in watch.stretches() if end <= at]
        begins = [begin for watch in some for begin, _ in watch.stretches() if begin >= at]
        assert min(begins) - max(ends) < SHORTEST


def test_a_replica_that_has_gone_for_good_is_forgotten_and_we_are_not(seen: Ledger) -> None:
    beats.beat(seen.connection, T, None)
    beats.note_watched(seen.connection, "gatecrier-9", Watch(T - HOUR, T))
    beats.forget(seen.connection, T + HOUR)

    assert beats.watch(seen.connection) == Watch(T, T)
