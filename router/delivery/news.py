"""What a lane rests until: news that it is told at once, or that is gathered for a moment."""

from __future__ import annotations

import asyncio
import contextlib

GATHER = 0.05
"""Seconds for which what is not urgent is gathered."""


class NewsSignal:
    """Whether there are any, for one who waits."""

    def __init__(self) -> None:
        self._are_there = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return self._are_there.is_set()

    @property
    def are_coming(self) -> bool:
        """Whether somebody has told what nobody has taken."""
        return self._are_there.is_set() or self._soon is not None

    def tell(self) -> None:
        """There are, now."""
        self._are_there.set()

    def tell_soon(self) -> None:
        """There are, in `GATHER` seconds: whoever tells until then has told the same."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(GATHER, self._tell_now)

    def taken(self) -> None:
        """Whoever waits looks at what there is; what is told from now on is news."""
        self._are_there.clear()

    async def wait(self, seconds: float | None = None) -> None:
        """Until there are, or so many seconds have passed, if any."""
        if seconds is None:
            await self._are_there.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._are_there.wait()

    def end(self) -> None:
        """Tell nothing later."""
        if self._soon is not None:
            self._soon.cancel()

    def _tell_now(self) -> None:
        self._soon = None
        self.tell()
