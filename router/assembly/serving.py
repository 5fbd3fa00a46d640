"""The process of the running router: its signals, its event loop, and how long it lives.

SIGTERM lets it leave, SIGINT without lingering, SIGHUP has the configuration read again. Told to leave before it was
ready, it ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from pathlib import Path

from router.assembly.opening import raise_open_files
from router.assembly.running import Router

COLLECTING = (700, 10, 2)
"""When garbage is collected: five times as often as Python would at last, since a thousand images that can't be reached
leave so much that one collection of it held the loop for 90 ms. What was frozen at the start costs none of them."""


async def _serve(config: Path) -> None:
    router, loop = Router(config, os.environ), asyncio.get_running_loop()
    leave, no_longer = asyncio.Event(), asyncio.Event()

    def interrupt() -> None:
        no_longer.set()
        leave.set()

    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGHUP, router.reload_soon)
    try:
        await router.start()
        is_known = not leave.is_set()
        gc.freeze()  # what lives from now on until the end need not be looked at by every collection
        gc.set_threshold(*COLLECTING)
        await leave.wait()
        if is_known:  # else we were told to leave before anybody could have been told that we are ready
            await router.linger(no_longer)
    finally:
        await router.stop()


def serve(config: Path) -> int:
    """Run until told to stop; returns the exit code.

    Raises:
        GatecrierError: It could not start.
    """
    raise_open_files()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(config))
    return 0


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The loop of uvloop where it is installed (Linux), else asyncio's."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - optional: it is not there on every platform

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
