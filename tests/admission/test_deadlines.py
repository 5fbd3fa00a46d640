from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admission.deadlines import Allowance, allowance


@pytest.mark.parametrize(
    ("timeout", "judging", "storing"),
    [
        ("10s", 8.0, 8.5),
        ("5s", 4.0, 4.5),
        ("1m0s", 8.0, 8.5),
        ("3s", 2.4, 2.7),
        ("1s", 0.75, 0.875),
        ("500ms", 0.25, 0.375),
        ("50ms", 0.0, 0.125),
        ("", 8.0, 8.5),
        ("soon", 8.0, 8.5),
    ],
)
def test_a_fifth_is_kept_back_of_the_calls_own_timeout(timeout: str, judging: float, storing: float) -> None:
    """Half of it for storing, half for the way back: an answer after the timeout is no answer."""
    found = allowance(timeout, 8.0)

    assert found.judging == pytest.approx(judging)
    assert found.storing == pytest.approx(storing)


@given(st.text(max_size=80))
def test_no_query_makes_a_deadline_longer(timeout: str) -> None:
    assert allowance(timeout, 8.0).judging <= Allowance(8.0, 8.5).judging
    assert 0.0 <= allowance(timeout, 8.0).judging < allowance(timeout, 8.0).storing <= 8.5


@given(st.integers(250, 30_000))
def test_storing_ends_before_the_api_server_gives_up(milliseconds: int) -> None:
    found = allowance(f"{milliseconds}ms", 60.0)

    assert found.judging <= found.storing <= milliseconds / 1000 - 0.124
