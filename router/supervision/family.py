"""The processes of one product: each has a seat, and a seat that falls empty is filled again.

A life, in order:
(1) A nursery is asked for a child, which inherits a socket to us and what its role needs.
(2) `greet` says what it must know; when that is done, it is ready.
(3) Its end is the end of that socket, however it ended. While it lives it must answer within `HANGING` seconds that it
    does; else it is killed.
(4) The seat is filled again when `restarts` says so.
(5) A defect in all this leaves a seat empty for ever: `failure` tells it, and at the start it is final, too.

At the start a refusal in (2) is final: what a process can't use now, it can't use in a second either. Later it is not.
If a nursery dies, those whom it has borne live on (`nurseries`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from router.errors import GatecrierError
from router.ipc import Peer, PeerError, PeerRefusedError
from router.supervision.nurseries import Nurseries
from router.supervision.orphans import REAPING, reap
from router.supervision.restarts import PROVEN, Restarts
from router.telemetry.logs import logger

log = logger()

GREETING = 30.0
"""Seconds in which a new process must be ready."""
ASKING, HANGING = 5.0, 20.0
"""Seconds between two questions whether a process lives, and after which one without an answer hangs."""
ALIVE = "alive"
"""The topic of that question; every process answers it."""


@dataclass(eq=False, slots=True)
class Seat:
    """Where one process belongs, and who is there."""

    role: str
    number: int
    restarts: Restarts = field(default_factory=Restarts)
    process: int | None = None
    peer: Peer | None = None
    ready_since: float | None = None

    @property
    def name(self) -> str:
        """What it is called for people, such as `gate-0`."""
        return f"{self.role}-{self.number}"

    @property
    def is_ready(self) -> bool:
        """Whether somebody is there who can do the work."""
        return self.ready_since is not None


@dataclass(frozen=True, slots=True)
class FamilyHooks:
    """What a family leaves to whoever has it."""

    greet: Callable[[Seat, Peer], Awaitable[None]]
    """Says to a new process what it must know; raises PeerError where it can't use that."""
    answer: Callable[[Seat, str, bytes], Awaitable[bytes]]
    """Answers what a process asks."""
    inherit: Callable[[Seat], Sequence[int]]
    """The descriptors that a process gets besides its socket to us."""
    changed: Callable[[], None]
    """Told whenever somebody has become ready, or has ended."""
    restarting: Callable[[Seat], None]
    """Told of the seat of somebody who has ended, and that is filled again."""


class ProcessFamily:
    """All processes but the supervisor, which this is a part of.

    Args:
        nurseries: Make them.
        seats: Those of all processes.
        hooks: What is left to others.
    """

    def __init__(self, nurseries: Nurseries, seats: Iterable[Seat], hooks: FamilyHooks) -> None:
        self._nurseries = nurseries
        self.seats = tuple(seats)
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        self.failure = ""
        """Which seat is not cared for any more, and why; empty while each is."""
        self._lives: list[asyncio.Task[None]] = []
        self._nurseries.start()

    def is_ready(self, role: str) -> bool:
        """Whether anybody in this role is ready."""
        return any(seat.is_ready for seat in self.seats if seat.role == role)

    @property
    def is_hopeless(self) -> bool:
        """Whether a seat can't be filled."""
        return any(seat.restarts.is_hopeless for seat in self.seats)

    async def start(self) -> None:
        """Fill every seat.

        Raises:
            PeerRefusedError: Somebody can't use what it was told.
            GatecrierError: Somebody ends again and again before it is ready.
        """
        firsts = []
        for seat in self.seats:
            firsts.append(first := self._loop.create_future())
            life = self._loop.create_task(self._keep(seat, first))
            life.add_done_callback(partial(self._given_up, seat, first))
            self._lives.append(life)
        await asyncio.gather(*firsts)

    async def stop(self) -> None:
        """End everybody at once, whatever is in hand."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        self._nurseries.stop()

    async def _keep(self, seat: Seat, first: asyncio.Future[None]) -> None:
        while True:
            ready_for = await self._live(seat, first)
            if first.done() and first.exception() is not None:
                return
            wait = seat.restarts.ended(ready_for)
            if seat.restarts.is_hopeless and not first.done():
                first.set_exception(
                    GatecrierError(f"the {seat.role} process ended again and again before it was ready")
                )
                return
            self._hooks.restarting(seat)
            log.warning("process_restarting", role=seat.role, number=seat.number, seconds=wait)
            self._hooks.changed()
            await asyncio.sleep(wait)

    async def _live(self, seat: Seat, first: asyncio.Future[None]) -> float | None:
        """One life; returns for how many seconds it was ready."""
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            born = self._nurseries.order(seat.role, [theirs.fileno(), *self._hooks.inherit(seat)])
        peer = await self._connected(seat, ours, ended)
        proven: asyncio.TimerHandle | None = None
        try:
            seat.process = await born
            async with asyncio.timeout(GREETING):
                await self._hooks.greet(seat, peer)
            seat.peer, seat.ready_since = peer, self._loop.time()
            proven = self._loop.call_later(PROVEN, self._has_proven, seat)
            log.info("process_ready", role=seat.role, number=seat.number, process=seat.process)
            self._hooks.changed()
            if not first.done():
                first.set_result(None)
            await self._until_the_end(seat, peer, ended)
        except PeerRefusedError as error:
            if not first.done():
                first.set_exception(error)  # whoever starts us says it
            else:
                log.error("process_refused", role=seat.role, number=seat.number, problem=str(error))  # noqa: TRY400 - the stack says nothing more
        except (PeerError, TimeoutError, OSError) as error:
            log.warning("process_not_ready", role=seat.role, number=seat.number, problem=str(error))
        finally:
            ready_for = None if seat.ready_since is None else self._loop.time() - seat.ready_since
            if proven is not None:
                proven.cancel()
            peer.close()
            self._loop.call_later(REAPING, reap)
            if not ended.is_set():
                _kill(seat.process)
            seat.peer = seat.ready_since = seat.process = None
        return ready_for

    def _given_up(self, seat: Seat, first: asyncio.Future[None], life: asyncio.Task[None]) -> None:
        if life.cancelled() or (error := life.exception()) is None:
            return
        log.error("seat_given_up", role=seat.role, number=seat.number, exc_info=error)
        self.failure = self.failure or f"nobody fills the seat of the {seat.role} process any more"
        if not first.done():
            first.set_exception(error)

    async def _connected(self, seat: Seat, ours: socket.socket, ended: asyncio.Event) -> Peer:
        async def answer(topic: str, body: bytes) -> bytes:
            return await self._hooks.answer(seat, topic, body)

        _, peer = await self._loop.create_unix_connection(lambda: Peer(answer, ended.set), sock=ours)
        return peer

    async def _until_the_end(self, seat: Seat, peer: Peer, ended: asyncio.Event) -> None:
        watching = self._loop.create_task(_hangs(peer))
        ending = self._loop.create_task(ended.wait())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, ending):
                task.cancel()
        if not ended.is_set():
            log.error("process_hangs", role=seat.role, number=seat.number, process=seat.process)

    def _has_proven(self, seat: Seat) -> None:
        seat.restarts.has_proven()
        self._hooks.changed()


async def _hangs(peer: Peer) -> None:
    """Comes back when the process does not answer any more."""
    with contextlib.suppress(TimeoutError, PeerError):
        while True:
            async with asyncio.timeout(HANGING):
                await peer.ask(ALIVE)
            await asyncio.sleep(ASKING)


def _kill(process: int | None) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
