"""The process that `gatecrier serve` starts: the supervisor, its signals, and how long it lives.

SIGTERM lets the product leave, SIGINT without lingering, SIGHUP has the configuration read again. Told to leave before
it was ready, it ends at once.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from router.assembly import messages
from router.assembly.gate_process import gate
from router.assembly.in_force import GATE, KEEPER, in_force_from
from router.assembly.keeper_process import keeper
from router.assembly.observing import MetricsObserver
from router.assembly.opening import new_event_loop, raise_open_files
from router.assembly.product import Product
from router.settings.beforehand import read_beforehand
from router.settings.loading import Loaded
from router.supervision.nurseries import Nurseries
from router.supervision.nursery import Role
from router.telemetry.forwarding import Observations, forwarding


@functools.cache
def _begin_once() -> None:
    """Do what every process would do for itself, in memory that all share that are forked from this one."""
    loaded = read_beforehand()
    if isinstance(loaded, Loaded):
        for configuration in in_force_from(loaded, None).parts.values():
            messages.unpack(messages.pack(configuration), messages.Configuration)
    messages.unpack(messages.pack(messages.Introduction("", "", 1, None)), messages.Introduction)
    forwarding(MetricsObserver, Observations(lambda _: False))  # so that its kinds of facts are made
    new_event_loop().close()  # so that its library is loaded


def roles() -> Mapping[str, Role]:
    """What the other processes can be."""
    _begin_once()  # for a nursery that is a fresh interpreter
    return {GATE: gate, KEEPER: keeper}


async def _serve(product: Product, nurseries: Nurseries) -> None:
    loop = asyncio.get_running_loop()
    leave, no_longer = asyncio.Event(), asyncio.Event()

    def interrupt() -> None:
        no_longer.set()
        leave.set()

    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGHUP, product.reload_soon)
    try:
        await product.start(nurseries)
        is_known = not leave.is_set()
        await leave.wait()
        if is_known:  # else we were told to leave before anybody could have been told that we are ready
            await product.linger(no_longer)
    finally:
        await product.stop()


def serve(config: Path, *, is_log_readable: bool | None = None) -> int:
    """Run until told to stop; returns the exit code. To be called before any thread is started.

    Args:
        config: The configuration file.
        is_log_readable: The form of the log's lines; None: as standard error asks for.

    Raises:
        GatecrierError: It could not start.
    """
    raise_open_files()
    _begin_once()
    product = Product(config, os.environ, is_log_readable=is_log_readable)  # its metrics are in memory that all share
    nurseries = Nurseries(roles)  # before any secret was read, as before any thread
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(product, nurseries))
    finally:
        nurseries.close()
    return 0
