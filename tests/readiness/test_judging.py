"""Ready, not ready or unknown: each of them exactly where the facts say so."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.readiness.judging import Missing, NamespaceRecord, ReadinessState, Scan, judged
from router.readiness.settings import ReadinessSettings
from router.readiness.watching import Gap, Watch
from router.readiness.wording import missing_words

DAY, HOUR = 86400.0, 3600.0
NOW = 1_790_000_000.0
SETTINGS = ReadinessSettings()
CLEAN = NamespaceRecord(Watch(NOW - 15 * DAY, NOW), 10, 0, 0, None, Scan(NOW - DAY, 5, 0))


def test_what_is_watched_scanned_and_clean_is_ready() -> None:
    found = judged(CLEAN, SETTINGS, NOW)

    assert (found.state, found.missing) == (ReadinessState.READY, [])
    assert (found.watched_since, found.ready_at) == (NOW - 15 * DAY, NOW - DAY)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"watch": None}, {Missing.WATCHED_TOO_SHORT, Missing.NOT_SCANNED}),
        ({"watch": Watch(NOW - 13 * DAY, NOW)}, {Missing.WATCHED_TOO_SHORT}),
        ({"watch": Watch(NOW - 15 * DAY, NOW - 2 * HOUR)}, {Missing.WATCHED_TOO_SHORT, Missing.NOT_SCANNED}),
        (
            {"watch": Watch(NOW - 15 * DAY, NOW, (Gap(NOW - 9 * HOUR, NOW - 7 * HOUR),))},
            {Missing.WATCHED_TOO_SHORT, Missing.NOT_SCANNED},
        ),
        ({"scan": None}, {Missing.NOT_SCANNED}),
        ({"scan": None, "requests": 0}, {Missing.NOT_SCANNED, Missing.TOO_FEW_REQUESTS}),
        ({"scan": None, "requests": 0, "is_known": False}, {Missing.NOT_SCANNED, Missing.NOTHING_SEEN}),
        ({"scan": Scan(NOW - DAY, 5, 1)}, {Missing.PODS_UNKNOWN}),
        ({"scan": Scan(NOW - 20 * DAY, 5, 0)}, {Missing.NOT_SCANNED}),
        ({"requests": 0}, set()),
        ({"unreachable": 1}, {Missing.UNREACHABLE}),
        ({"overflowed_at": NOW - DAY}, {Missing.FORGOTTEN}),
        ({"overflowed_at": NOW - 15 * DAY}, set()),
    ],
)
def test_whatever_is_not_known_is_named(changes: dict[str, object], missing: set[Missing]) -> None:
    known = dataclasses.replace(CLEAN, **changes)  # type: ignore[arg-type]  # fields by name
    found = judged(known, SETTINGS, NOW)

    assert set(found.missing) == missing
    assert found.state is (ReadinessState.UNKNOWN if missing else ReadinessState.READY)


_TIMES = st.floats(NOW - 30 * DAY, NOW)
_GAPS = st.builds(lambda end, length: Gap(end - length, end), _TIMES, st.floats(0.0, 3 * HOUR))
_KNOWN = st.builds(
    NamespaceRecord,
    watch=st.none() | st.builds(Watch, _TIMES, st.floats(NOW - 2 * HOUR, NOW), st.lists(_GAPS, max_size=4)),
    requests=st.integers(0, 3),
    failing=st.integers(0, 2),
    unreachable=st.integers(0, 2),
    overflowed_at=st.none() | _TIMES,
    scan=st.none() | st.builds(Scan, _TIMES, st.integers(0, 9), st.integers(0, 2)),
)


@given(_KNOWN, st.integers(0, 3))
def test_nothing_is_called_ready_of_which_anything_is_wrong_or_not_known(known: NamespaceRecord, least: int) -> None:
    settings = ReadinessSettings(least_requests=least)
    found = judged(known, settings, NOW)

    assert (found.state is ReadinessState.NOT_READY) is (known.failing > 0)
    if found.state is ReadinessState.READY:
        assert known.scan is not None
        assert known.watch is not None
        assert (known.failing, known.unreachable, known.scan.unknown, found.missing) == (0, 0, 0, [])
        assert found.watched_since is not None
        assert found.watched_since <= min(NOW - settings.window, known.scan.began_at)
        last = Gap(known.watch.beat_at, NOW)
        long = [gap for gap in (*known.watch.gaps, last) if gap.end - gap.begin > settings.gap]
        assert all(gap.end <= known.scan.began_at for gap in long)


@given(_KNOWN)
def test_one_more_thing_that_is_wrong_makes_nothing_ready(known: NamespaceRecord) -> None:
    """Facts against it never argue for it."""
    before = judged(known, SETTINGS, NOW).state
    worse = [
        dataclasses.replace(known, failing=known.failing + 1),
        dataclasses.replace(known, unreachable=known.unreachable + 1),
        dataclasses.replace(known, scan=None),
        dataclasses.replace(known, watch=None),
    ]

    for one in worse:
        after = judged(one, SETTINGS, NOW).state
        assert after is not ReadinessState.READY or before is ReadinessState.READY


@pytest.mark.parametrize("missing", Missing)
def test_whatever_is_not_known_says_how_to_find_out(missing: Missing) -> None:
    meaning, step = missing_words(missing, SETTINGS, "shop")

    assert meaning
    assert step
    assert "{" not in meaning + step.replace("{namespace", "")
