"""Who had worked is back at once; who can't start waits longer and longer, and is said to be hopeless."""

from __future__ import annotations

from router.supervision.restarts import HOPELESS, PROVEN, Restarts


def test_who_had_worked_is_started_again_at_once() -> None:
    """A process that was killed after an hour is needed now."""
    assert Restarts().ended(PROVEN) == 0


def test_who_can_not_start_waits_longer_and_longer() -> None:
    """Starting costs what others need."""
    restarts = Restarts()
    waits = [restarts.ended(0.9 if number % 2 else None) for number in range(9)]

    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert restarts.total == len(waits)


def test_after_five_ends_in_a_row_nobody_counts_on_the_next() -> None:
    """Requests should go elsewhere, until one has proven itself."""
    restarts = Restarts()
    hopeless = []
    for _ in range(HOPELESS):
        restarts.ended(None)
        hopeless.append(restarts.is_hopeless)

    assert hopeless == [False] * (HOPELESS - 1) + [True]
    restarts.has_proven()
    assert not restarts.is_hopeless
    assert restarts.ended(None) == 0.1
