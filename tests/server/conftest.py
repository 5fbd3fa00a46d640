from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from tests.server.stage import Play, Result, loops


@pytest.fixture(params=sorted(loops()))
def play(request: pytest.FixtureRequest) -> Play:
    """Runs a story on each loop that the product may run on: they differ in how connections end."""
    factory = loops()[request.param]

    def run(story: Coroutine[object, object, Result]) -> Result:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(story)

    return run
