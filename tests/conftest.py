from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from router.telemetry import logs
from tests.simulators.log import Log, collected


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    """Every test begins without a log; what it writes belongs to its own output."""
    yield
    logs.flush()
    structlog.reset_defaults()


@pytest.fixture
def log() -> Iterator[Log]:
    """What the test makes the program log, as JSON."""
    with collected() as found:
        yield found
