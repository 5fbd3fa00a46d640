from __future__ import annotations

import math

import pytest

from router.telemetry import logs
from tests.simulators.docker_registry import open_registry
from tests.trust.test_reporting import own, server

__all__ = ["open_registry", "own", "server"]


@pytest.fixture
def _log_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command would go on logging in its own way in the tests after it; and none is slow enough to say so."""
    monkeypatch.setattr("router.cli.pages._PATIENCE", math.inf)
    monkeypatch.setattr(logs, "configure", lambda **_: None)
