"""Runs what is asked by a command in an event loop of its own, since commands have theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

There = TypeVar("There")


@contextmanager
def aside(running: AbstractAsyncContextManager[There]) -> Iterator[There]:
    """What this gives, while a loop in another thread holds it open."""
    found, is_there, is_over = list[There](), threading.Event(), threading.Event()

    async def hold() -> None:
        async with running as there:
            found.append(there)
            is_there.set()
            await asyncio.to_thread(is_over.wait)

    with ThreadPoolExecutor(1) as thread:
        held = thread.submit(lambda: asyncio.run(hold()))
        held.add_done_callback(lambda _: is_there.set())  # also where it could not begin
        is_there.wait()
        try:
            if found:
                yield found[0]
        finally:
            is_over.set()
        held.result()
