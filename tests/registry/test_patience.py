from __future__ import annotations

import pytest
from aiohttp import web

from router.errors import RateLimitedError, UnreachableError
from tests.registry.stage import Time, client_of, soon
from tests.simulators.registry import RegistrySimulator


async def test_a_passing_failure_is_tried_again() -> None:
    async with RegistrySimulator().running() as registry:
        time, digest = Time(), registry.add_image("a", "1")
        answers = [web.Response(status=503), web.Response(status=500)]
        registry.fault = lambda _: answers.pop(0) if answers else None

        async with client_of(registry, time=time) as client:
            assert await client.resolve(registry.image("a:1"), soon()) == digest

    assert time.slept == [0.125, 0.25]


@pytest.mark.parametrize("value", ["2", "Tue, 14 Nov 2023 22:13:22 GMT"])
async def test_the_time_that_the_registry_asks_for_is_waited(value: str) -> None:
    async with RegistrySimulator().running() as registry:
        time, digest = Time(), registry.add_image("a", "1")
        answers = [web.Response(status=429, headers={"Retry-After": value})]
        registry.fault = lambda _: answers.pop() if answers else None

        async with client_of(registry, time=time) as client:
            assert await client.resolve(registry.image("a:1"), soon()) == digest

    assert time.slept == [2.0]


async def test_more_time_than_is_left_is_not_waited() -> None:
    """Nobody is held for a foregone failure."""
    fault = lambda _: web.Response(status=429, headers={"Retry-After": "60"})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry:
        time = Time()
        async with client_of(registry, time=time) as client:
            with pytest.raises(RateLimitedError):
                await client.resolve(registry.image("a:1"), soon(30))

        assert (time.slept, len(registry.requests)) == ([], 1)


async def test_there_are_three_attempts() -> None:
    fault = lambda _: web.Response(status=503)  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry:
        time = Time()
        async with client_of(registry, time=time) as client:
            with pytest.raises(UnreachableError, match="503"):
                await client.resolve(registry.image("a:1"), soon())

        assert (len(registry.requests), len(time.slept)) == (3, 2)
