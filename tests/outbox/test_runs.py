from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.outbox.runs import LEAST, MOST, Runs, RunsTogether

NUMBERS = st.integers(-30, 30)
CHANGES = st.lists(st.tuples(st.booleans(), NUMBERS), max_size=60)


def made(changes: list[tuple[bool, int]]) -> tuple[Runs, set[int]]:
    """The same put in and taken out of both."""
    runs, numbers = Runs(), set[int]()
    for is_added, number in changes:
        if is_added:
            runs.add(number)
            numbers.add(number)
        else:
            runs.remove(number)
            numbers.discard(number)
    return runs, numbers


@given(CHANGES)
def test_runs_are_a_set_of_numbers_and_as_few_as_there_can_be(changes: list[tuple[bool, int]]) -> None:
    runs, numbers = made(changes)

    assert len(runs) == len(numbers)
    assert {number for number in range(-31, 32) if number in runs} == numbers
    assert [one for first, last in runs.runs() for one in range(first, last + 1)] == sorted(numbers)
    assert len(runs.runs()) == sum(one - 1 not in numbers for one in numbers)


@given(CHANGES, CHANGES)
def test_the_gaps_are_everything_that_nobody_holds(
    changes: list[tuple[bool, int]], others: list[tuple[bool, int]]
) -> None:
    """What stood in no gap and was held by nobody would never be delivered."""
    (mine, numbers), (theirs, more) = made(changes), made(others)
    gaps = RunsTogether([mine, theirs]).gaps()
    free = {number for number in range(-40, 41) for before, after in gaps if before < number < after}

    assert free == set(range(-40, 41)) - numbers - more
    assert (gaps[0][0], gaps[-1][1]) == (LEAST, MOST)
    assert all(before + 1 < after for before, after in gaps)
    assert list(gaps) == sorted(gaps)
