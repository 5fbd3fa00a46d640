from __future__ import annotations

import math
from functools import cache

import pytest

import router.cli
from router.telemetry import logs
from tests.simulators.docker_registry import open_registry
from tests.trust.test_reporting import own, server

__all__ = ["open_registry", "own", "server"]

_one = cache(router.cli.parser)


@pytest.fixture(autouse=True)
def _one_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading changes no parser: that of the whole command line is made once, not by each of hundreds of commands."""
    monkeypatch.setattr(router.cli, "parser", _one)


@pytest.fixture
def _log_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command would go on logging in its own way in the tests after it; and none is slow enough to say so."""
    monkeypatch.setattr("router.cli.pages._PATIENCE", math.inf)
    monkeypatch.setattr(logs, "configure", lambda **_: None)
