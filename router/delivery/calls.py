"""Who waits until there is something to do: called in the order in which they came, each once; and how tasks end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

Tasks: TypeAlias = Sequence[asyncio.Task[None]]


class Calls:
    """Those who wait."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Until it is one's turn."""
        call = asyncio.get_running_loop().create_future()
        self._waiting.append(call)
        await call

    def call(self, count: int | None = None) -> None:
        """So many of those who wait, or all of them; who has given up is passed over."""
        left = len(self._waiting) if count is None else count
        while left > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                left -= 1


async def cancelled(tasks: Tasks) -> None:
    """Cancel these and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
