"""What the client takes from the world beside the network: clocks, dice, patience, environment. Tests give others."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


def _environment() -> Mapping[str, str]:
    return dict(os.environ)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Clocks, dice, sleep and environment."""

    clock: Callable[[], float] = time.monotonic
    """Seconds that never run back: for the age of what is remembered."""
    wall: Callable[[], float] = time.time
    """The time of day in seconds since 1970: for HTTP-dates."""
    dice: Callable[[], float] = random.random
    """A number from 0 to 1."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Wait so many seconds."""
    environment: Mapping[str, str] = field(default_factory=_environment)
    """For the proxy variables."""
