from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.dialect import Reply, judge_by_status
from router.destinations.outcome import REASONS, Delivered, TryAgain, Undeliverable


@given(st.integers(100, 599))
def test_every_status_has_a_meaning(status: int) -> None:
    outcome = judge_by_status(Reply(status, "", None, 0.0))

    assert isinstance(outcome, Delivered) == (200 <= status < 300)
    is_refusal = 400 <= status < 500 and status not in {401, 403, 404, 405, 407, 408, 410, 421, 425, 429}
    assert isinstance(outcome, Undeliverable) == is_refusal
    assert isinstance(outcome, Delivered) or outcome.reason in REASONS or outcome.reason == f"http_{status}"


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_receiver_is_left_alone_for_as_long_as_it_asks(status: int) -> None:
    outcome = judge_by_status(Reply(status, "", "Sun, 06 Nov 1994 08:49:37 GMT", 784111740.0))

    assert isinstance(outcome, TryAgain)
    assert outcome.after == 37.0


def test_every_reason_is_one_that_a_label_can_have() -> None:
    assert all(reason.isidentifier() and reason.islower() and meaning for reason, meaning in REASONS.items())
