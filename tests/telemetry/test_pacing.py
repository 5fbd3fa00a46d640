"""People are told of troubles soon, and no more than they can read."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.causes import Cause
from router.telemetry.pacing import EVERY, MOST, TroubleNews, TroublePace
from router.telemetry.troubles import Trouble

DOWN = Cause.DESTINATION_DOWN


def begun(subject: str = "siem", at: float = 0.0, cause: Cause = DOWN) -> Trouble:
    return Trouble(cause, subject, "http_500", at)


def over(subject: str = "siem", at: float = 0.0, cause: Cause = DOWN) -> Trouble:
    return Trouble(cause, subject, "http_500", at, at + 1)


def told(pace: TroublePace, now: float) -> list[tuple[str, bool, int]]:
    return [(one.subject, one.ended_at is None, one.times) for one in pace.due(now)]


def test_what_begins_is_told_at_once_and_once() -> None:
    pace = TroublePace()
    pace.heard(begun())

    assert pace.due(0.0) == [TroubleNews(DOWN, "siem", "http_500", 0.0, None, 1)]
    assert pace.due(10 * EVERY) == []


def test_its_end_is_told_when_its_beginning_is_no_news_any_more() -> None:
    pace = TroublePace()
    pace.heard(begun())
    pace.due(0.0)
    pace.heard(over())

    assert told(pace, EVERY - 1) == []
    assert told(pace, EVERY) == [("siem", False, 0)]
    assert told(pace, 10 * EVERY) == []


def test_what_comes_and_goes_is_told_once_in_a_while_with_a_count() -> None:
    pace = TroublePace()
    heard = []
    for second in range(int(2 * EVERY)):
        pace.heard(begun(at=second))
        pace.heard(over(at=second))
        heard += told(pace, second)
    heard += told(pace, 2 * EVERY) + told(pace, 3 * EVERY)

    assert heard == [("siem", False, 1), ("siem", False, int(EVERY)), ("siem", False, int(EVERY) - 1)]


def test_the_most_severe_is_told_first_where_not_all_can_be() -> None:
    pace = TroublePace()
    for number in range(3 * MOST):
        pace.heard(begun(f"{number}"))
    pace.heard(begun("", 9.0, Cause.OUTBOX_DAMAGED))
    first, second = pace.due(0.0), pace.due(EVERY)

    assert first[0].cause is Cause.OUTBOX_DAMAGED
    assert len(first) == len(second) == MOST
    assert {one.subject for one in first}.isdisjoint(one.subject for one in second)


def test_what_is_over_and_told_is_forgotten() -> None:
    """Or its subjects would be kept for as long as we run."""
    pace = TroublePace()
    for number in range(5):
        pace.heard(begun(f"{number}"))
        pace.heard(over(f"{number}"))
    pace.due(0.0)
    pace.due(2 * EVERY)

    assert not pace._known


STEP = st.tuples(st.sampled_from(["begin", "end", "wait"]), st.sampled_from(["a", "b", "c"]), st.floats(0, EVERY))


@given(st.lists(STEP, max_size=60))
def test_whatever_happens_the_last_word_is_right_and_nobody_is_flooded(steps: list[tuple[str, str, float]]) -> None:
    pace, now = TroublePace(), 0.0
    there: dict[str, Trouble] = {}
    beginnings: Counter[str] = Counter()
    heard: list[tuple[float, TroubleNews]] = []
    for what, subject, seconds in steps:
        if what == "begin" and subject not in there:
            there[subject] = begun(subject, now)
            beginnings[subject] += 1
            pace.heard(there[subject])
        elif what == "end" and subject in there:
            there.pop(subject)
            pace.heard(over(subject, now))
        else:
            now += seconds
        heard += [(now, one) for one in pace.due(now)]
    heard += [(now + 2 * EVERY, one) for one in pace.due(now + 2 * EVERY)]
    last = {one.subject: one.ended_at is None for _, one in heard}
    counted: Counter[str] = Counter()
    for _, one in heard:
        counted[one.subject] += one.times

    assert {subject for subject, is_there in last.items() if is_there} == there.keys()
    assert counted == beginnings
    for subject in last:
        times = [at for at, one in heard if one.subject == subject]
        assert all(later - earlier > EVERY - 0.001 for earlier, later in itertools.pairwise(times))
