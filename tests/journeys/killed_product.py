"""`gatecrier` whose processes die where a test says: `python -m tests.journeys.killed_product serve --config FILE`.

A process of the product kills itself with SIGKILL before a step of its event loop, so between any two awaits, those at
the beginning of its life included. How many steps it still makes stands in a file beside the configuration, named after
its role: the next one that is born reads `ROLE.born` and removes it, and whoever gets SIGUSR1 reads `ROLE.steps`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio import events
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from router.assembly import gate_process, keeper_process, serving
from router.cli import main
from router.supervision.nursery import Role

FOLDER = "KILLED_PRODUCT_FOLDER"
"""The variable of the environment that says where the files are."""


def prepare_to_die(role: str, folder: Path) -> None:
    """Count the steps of the event loop from now on, where there is a number to count down from."""
    left: list[int] = []
    run = events.Handle._run

    def counted(handle: events.Handle) -> None:
        if left:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        run(handle)

    def begin(_number: int, _frame: FrameType | None) -> None:
        left[:] = [int((folder / f"{role}.steps").read_text())]

    born = folder / f"{role}.born"
    if born.exists():
        left.append(int(born.read_text()))
        born.unlink()
    events.Handle._run = counted  # type: ignore[method-assign,assignment]  # the one place that every step passes
    signal.signal(signal.SIGUSR1, begin)


def roles() -> Mapping[str, Role]:
    """The roles of the product, mortal."""
    folder = Path(os.environ[FOLDER])

    def mortal(name: str, role: Role) -> Role:
        def played(descriptors: Sequence[int]) -> int:
            prepare_to_die(name, folder)
            return role(descriptors)

        return played

    return {name: mortal(name, role) for name, role in _IMMORTAL().items()}


_IMMORTAL = serving.roles

if __name__ == "__main__":
    serving.roles = roles
    for module in (gate_process, keeper_process):
        module.new_event_loop = asyncio.new_event_loop  # type: ignore[attr-defined]  # whose steps can be counted
    sys.exit(main(sys.argv[1:]))
