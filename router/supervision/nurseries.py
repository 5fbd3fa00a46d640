"""The nursery at work and its spare: whoever needs a child gets one, and soon, whichever of the two has died.

Rules:
(1) The nursery at work bears the spare before anybody else. It waits for orders like any nursery, and costs what a fork
    costs that does nothing: what both have imported is the same memory.
(2) When the nursery at work dies, the spare takes its place in the same turn of the loop, and bears the next spare.
    Orders that were not answered by then fail: whoever gave them gives them again.
(3) When the spare dies, the nursery at work bears another one.
(4) Only where both have died a fresh interpreter imports everything anew, which takes seconds on a busy machine.
(5) A spare, or a fresh interpreter, is made at once where the one before had lived for a while, else after a wait
    (`restarts`): what can't live takes nothing from the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

from router.supervision.nursery import SPARE, Nursery, Roles, forked, pair, spawned
from router.supervision.orphans import REAPING, adopt_orphans, reap
from router.supervision.restarts import Restarts
from router.telemetry.logs import logger

log = logger()


class Nurseries:
    """All nurseries of a supervisor. To be made before any thread or event loop is started.

    Args:
        roles: What children there can be.
    """

    def __init__(self, roles: Roles) -> None:
        adopt_orphans()
        self._roles = roles
        self.at_work = forked(roles)
        """The nursery that gets all orders."""
        self.spare: Nursery | None = None
        """The one that is there when that one dies."""
        self._ordered: deque[asyncio.Future[int]] = deque()
        self._deaths, self._deaths_of_spares = Restarts(), Restarts()
        self._at_work_since = self._spare_since = 0.0
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Have a spare made, and listen to both; in the event loop, in which all else happens."""
        self._loop = asyncio.get_running_loop()
        self._put_to_work(self.at_work)
        self._have_a_spare()

    def order(self, role: str, descriptors: Sequence[int]) -> asyncio.Future[int]:
        """Ask for a child; gives its process id, or OSError where the nursery has died."""
        born: asyncio.Future[int] = self._loop.create_future()
        try:
            self.at_work.order(role, descriptors)
        except OSError as error:
            born.set_exception(error)
        else:
            self._ordered.append(born)
        return born

    def stop(self) -> None:
        """End all nurseries; their children are ended by whoever talks with them."""
        for nursery in filter(None, (self.at_work, self.spare)):
            self._loop.remove_reader(nursery.socket)
        self.close()

    def close(self) -> None:
        """Close what is open still, after `stop` or where there was no start."""
        self._is_closed = True
        for nursery in filter(None, (self.at_work, self.spare)):
            nursery.close()

    def _put_to_work(self, nursery: Nursery) -> None:
        self.at_work, self._at_work_since = nursery, self._loop.time()
        self._loop.add_reader(nursery.socket, self._hear)

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                if (said := self.at_work.hear()) is None:
                    self._bereaved()
                    return
                match said.split():
                    case ["born", process]:
                        if not (born := self._ordered.popleft()).done():
                            born.set_result(int(process))
                    case ["ended", process, status]:
                        log.info("process_ended", process=int(process), status=int(status))
                    case _:
                        raise RuntimeError(f"the nursery said {said!r}")

    def _bereaved(self) -> None:
        self._buried(self.at_work)
        while self._ordered:
            if not (born := self._ordered.popleft()).done():
                born.set_exception(ConnectionResetError("the nursery has ended"))
        wait = self._deaths.ended(self._loop.time() - self._at_work_since)
        log.warning("nursery_ended", has_spare=self.spare is not None, seconds=wait)
        if self.spare is None:
            self._loop.call_later(wait, self._begin_anew)
            return
        spare, self.spare = self.spare, None
        self._loop.remove_reader(spare.socket)
        self._put_to_work(spare)
        self._loop.call_later(wait, self._have_a_spare)

    def _begin_anew(self) -> None:
        if self._is_closed:
            return
        try:
            nursery = spawned(self._roles)
        except OSError as error:  # no memory, no more processes: that may pass
            log.warning("nursery_not_made", problem=str(error))
            self._loop.call_later(self._deaths.ended(None), self._begin_anew)
            return
        self._put_to_work(nursery)
        self._have_a_spare()

    def _have_a_spare(self) -> None:
        if self._is_closed or self.spare is not None:
            return
        ours, theirs = pair()
        spare = self.spare = Nursery(ours)
        self._spare_since = self._loop.time()
        self._loop.add_reader(ours, self._hear_spare)
        with theirs:
            born = self.order(SPARE, [theirs.fileno()])
        born.add_done_callback(lambda _: _named(spare, born))

    def _hear_spare(self) -> None:
        """It has nothing to say before it works, but that it has died; or was not born, where the order was lost."""
        assert self.spare is not None  # noqa: S101 - else nobody would listen
        self._buried(self.spare)
        self.spare = None
        wait = self._deaths_of_spares.ended(self._loop.time() - self._spare_since)
        log.warning("spare_nursery_ended", seconds=wait)
        self._loop.call_later(wait, self._have_a_spare)

    def _buried(self, nursery: Nursery) -> None:
        self._loop.remove_reader(nursery.socket)
        nursery.close()
        self._loop.call_later(REAPING, reap)


def _named(spare: Nursery, born: asyncio.Future[int]) -> None:
    if not born.cancelled() and born.exception() is None:
        spare.process = born.result()
