"""Tasks of ours that nobody waits for: none of them can end unnoticed.

Rules:
(1) A task that is kept lives as long as the router. That it ends, in whatever way, is a failure; of a task that may
    end, only an error is.
(2) The first failure stays: what the task would have done is not done any more, and only a restart begins it again.
(3) At the end all of them are cancelled, and waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial

from router.telemetry.logs import logger

log = logger()


class Tending:
    """Keeps tasks, and says which has failed."""

    def __init__(self) -> None:
        self.failure = ""
        """Which task has failed first, in words; empty while none has."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def keep(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Do this as long as the router lives."""
        self._begin(name, work, may_end=False)

    def let_end(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do this until it is done, or until what is returned is cancelled."""
        return self._begin(name, work, may_end=True)

    async def close(self) -> None:
        """End all of it."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, name: str, work: Coroutine[None, None, None], *, may_end: bool) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, may_end=may_end))
        return task

    def _ended(self, task: asyncio.Task[None], *, may_end: bool) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._is_closing or (may_end and error is None):
            return
        log.error("task_ended", task=task.get_name(), exc_info=error)
        self.failure = self.failure or f"the task that does this has ended: {task.get_name()}"
