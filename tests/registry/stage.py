"""Deadlines, and surroundings without real time, for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from router.registry import RegistryClient
from router.registry.surroundings import Surroundings
from tests.simulators.registry import RegistrySimulator

WALL = 1_700_000_000.0
"""Tue, 14 Nov 2023 22:13:20 GMT."""


def soon(seconds: float = 30.0) -> float:
    """A deadline in the running loop's clock; long, because no test waits for it."""
    return asyncio.get_running_loop().time() + seconds


def very_soon() -> float:
    """A deadline that is meant to strike."""
    return soon(0.05)


@dataclass
class Time:
    """A clock that moves when somebody sleeps, and at once."""

    now: float = 5000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        """Be done with it."""
        self.slept.append(seconds)
        self.now += seconds

    def surroundings(self, environment: Mapping[str, str] | None = None) -> Surroundings:
        """With dice that always fall on the middle, and no proxies."""
        return Surroundings(
            clock=lambda: self.now,
            wall=lambda: WALL,
            dice=lambda: 0.5,
            sleep=self.sleep,
            environment=environment or {},
        )


def client_of(*registries: RegistrySimulator, time: Time | None = None) -> RegistryClient:
    """A client that knows these registries, without real time."""
    return RegistryClient([one.settings for one in registries], surroundings=(time or Time()).surroundings())
