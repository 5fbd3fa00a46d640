from __future__ import annotations

import pytest

from router.telemetry import logs
from tests.simulators.docker_registry import open_registry

__all__ = ["open_registry"]


@pytest.fixture
def _log_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that logs in its own way would go on doing so in the tests after it."""
    monkeypatch.setattr(logs, "configure", lambda **_: None)
