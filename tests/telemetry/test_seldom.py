from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.seldom import Seldom


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.now


def test_the_first_is_told_at_once_and_the_next_after_a_minute_with_a_count() -> None:
    """Whoever reaches the port causes lines as fast as they like; a disk must not fill with them."""
    clock = Clock()
    seldom = Seldom(clock=clock)
    first = [seldom.turn("refused 400") for _ in range(1000)]
    clock.now = 59.9
    early = seldom.turn("refused 400")
    clock.now = 60.0
    late = [seldom.turn("refused 400") for _ in range(2)]

    assert first == [0] + [None] * 999
    assert early is None
    assert late == [1000, None]


def test_keys_do_not_hold_each_other_back() -> None:
    seldom = Seldom(clock=Clock())

    assert [seldom.turn(key) for key in ("a", "b", "a")] == [0, 0, None]


@given(keys=st.lists(st.integers(0, 50).map(str), max_size=200))
def test_what_was_told_and_what_was_held_back_are_all_there_were(keys: list[str]) -> None:
    """A count that is wrong is worse than none."""
    clock = Clock()
    seldom = Seldom(keys=5, clock=clock)
    told = 0
    for key in keys:
        clock.now += 7
        held_back = seldom.turn(key)
        told += 0 if held_back is None else 1 + held_back
    clock.now += 1000
    for number in range(6):  # every place is told once more, and then what has none of its own
        told += seldom.turn(f"last {number}") or 0
    clock.now += 1000
    told += seldom.turn("") or 0

    left = sum(entry.held_back for entry in seldom._logged.values())
    assert told + left + seldom._shared_count == len(keys)


def test_whoever_chooses_keys_gets_one_line_more_and_not_one_for_each() -> None:
    """Keys that others choose (addresses, names) must be neither lines nor memory without bound."""
    seldom = Seldom(keys=10, clock=Clock())
    told = [seldom.turn(f"{number}{'x' * 100_000}") for number in range(10_000)]

    assert sum(held_back is not None for held_back in told) == 11
    assert len(seldom._logged) <= 11
    assert max(map(len, seldom._logged)) <= 200


def test_a_key_makes_room_when_its_minute_is_over() -> None:
    clock = Clock()
    seldom = Seldom(keys=1, clock=clock)
    seldom.turn("a")
    clock.now = 60.0

    assert seldom.turn("b") == 0
    assert seldom.turn("a") == 0  # in the place that is shared
    assert seldom.turn("a") is None
