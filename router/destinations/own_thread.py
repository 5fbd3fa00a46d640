"""A thread of one's own, for calls that may hang: on a file system that has gone, on a disk that does not answer.

Rules:
(1) One call at a time, in the order in which they were asked for.
(2) Nobody waits longer than he wants to, neither for his own call nor for one that hangs before it. A call that was
    given up goes on, and those after it wait for it.
(3) The thread holds nothing up: threads of a pool are waited for when the process ends, this one is not.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

_Call: TypeAlias = tuple[Callable[[], None], asyncio.Future[Exception | None]]


class OwnThread:
    """Runs calls; the thread begins with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] | None = None
        self._last: asyncio.Future[Exception | None] | None = None

    async def run(self, call: Callable[[], None], patience: float) -> None:
        """Have this called; raises what it raises.

        Raises:
            TimeoutError: It has not ended within so many seconds, or was not begun because another has not.
        """
        async with asyncio.timeout(patience):
            while self._last is not None and not self._last.done():
                await asyncio.wait([self._last])
            error = await asyncio.shield(self._asked(call))
        if error is not None:
            raise error

    async def end(self, call: Callable[[], None], patience: float) -> bool:
        """Have this called as the last, then let the thread end; whether that was within so many seconds."""
        done = self._asked(call)
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None
        ended, _ = await asyncio.wait([done], timeout=patience)
        return bool(ended)

    def _asked(self, call: Callable[[], None]) -> asyncio.Future[Exception | None]:
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            threading.Thread(target=_run, args=[self._calls], name=self._name, daemon=True).start()
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._last = done
        self._calls.put((call, done))
        return done


def _run(calls: queue.SimpleQueue[_Call | None]) -> None:
    while (asked := calls.get()) is not None:
        call, done = asked
        error = None
        try:
            call()
        except Exception as raised:  # noqa: BLE001 - whoever waits gets it; the thread would end, and he wait for ever
            error = raised
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            done.get_loop().call_soon_threadsafe(_tell, done, error)


def _tell(done: asyncio.Future[Exception | None], error: Exception | None) -> None:
    if not done.done():
        done.set_result(error)
