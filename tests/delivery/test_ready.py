"""What is next of what was claimed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.ready import Ready
from router.outbox import Delivery, Number
from router.outbox.protocol import OLDEST_EVERY
from router.verdict import Severity


@given(st.lists(st.sampled_from(Severity), max_size=40), st.integers(0, 40))
def test_the_most_urgent_is_next_and_every_eighth_is_the_oldest_of_all(severities: list[Severity], first: int) -> None:
    """Also where all are as urgent, and whatever comes after others."""
    ready = Ready(1)
    left = [
        Delivery("sink", f"event-{place}", Number("replica-1", place), b"{}", 0, 0.0, 0.0, severity=severity)
        for place, severity in enumerate(severities)
    ]
    ready.put(left[first:][::-1])
    ready.put(left[:first])

    for turn in range(1, len(severities) + 1):
        is_oldest = turn % OLDEST_EVERY == 0
        expected = min(left, key=lambda one: (() if is_oldest else one.order[:1], one.number.sequence))
        assert ready.take(is_repeat_allowed=True) == [expected]
        left.remove(expected)
