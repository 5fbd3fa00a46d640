"""The keeper in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from router.assembly import keeper_process
from router.assembly.opening import TURNS


@pytest.fixture
def _switching_as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_switching_as_before")
def test_a_busy_loop_gives_the_lock_to_the_thread_that_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys waits for a commit, and not for 5 ms of delivery before and after it."""
    found: list[float] = []

    def lived(*_: object) -> int:
        found.append(sys.getswitchinterval())
        return 0

    monkeypatch.setattr(keeper_process, "live", lived)
    keeper_process.keeper([0, 1])

    assert found == [pytest.approx(TURNS)]
