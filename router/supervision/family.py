"""The processes of one product: each has a place, and a place that falls empty is filled again.

A life, in order:
(1) The nursery is asked for a child, which inherits a socket to us and what its role needs.
(2) `greet` says what it must know; when that is done, it is ready.
(3) Its end is the end of that socket, however it ended. While it lives it must answer within `HANGING` seconds that it
    does; else it is killed.
(4) The place is filled again when `restarts` says so.

At the start a refusal in (2) is final: what a process can't use now, it can't use in a second either. Later it is not.
If the nursery dies, those whom it has borne live on; the next one is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from router.errors import GatecrierError
from router.ipc import Peer, PeerError, PeerRefusedError
from router.supervision.nursery import Nursery
from router.supervision.orphans import reap
from router.supervision.restarts import PROVEN, Restarts
from router.telemetry.logs import logger

log = logger()

GREETING = 30.0
"""Seconds in which a new process must be ready."""
ASKING, HANGING = 5.0, 20.0
"""Seconds between two questions whether a process lives, and after which one without an answer hangs."""
REAPING = 1.0
"""Seconds after which a process whose socket has closed has ended."""
ALIVE = "alive"
"""The topic of that question; every process answers it."""


@dataclass(eq=False, slots=True)
class Member:
    """A place for one process, and who is in it."""

    role: str
    number: int
    restarts: Restarts = field(default_factory=Restarts)
    process: int | None = None
    peer: Peer | None = None
    ready_since: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether somebody is there who can do the work."""
        return self.ready_since is not None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a family leaves to whoever has it."""

    greet: Callable[[Member, Peer], Awaitable[None]]
    """Says to a new process what it must know; raises PeerError where it can't use that."""
    answer: Callable[[Member, str, bytes], Awaitable[bytes]]
    """Answers what a process asks."""
    inherit: Callable[[Member], Sequence[int]]
    """The descriptors that a process gets besides its socket to us."""
    changed: Callable[[], None]
    """Told whenever somebody has become ready, or has ended."""
    restarting: Callable[[Member], None]
    """Told of the place of somebody who has ended, and that is filled again."""


class Family:
    """All processes but the supervisor, which this is a part of.

    Args:
        nursery: Makes them.
        members: The places.
        hooks: What is left to others.
    """

    def __init__(self, nursery: Nursery, members: Iterable[Member], hooks: Hooks) -> None:
        self._nursery = nursery
        self.members = tuple(members)
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        self._ordered: deque[asyncio.Future[int]] = deque()
        self._nurseries = Restarts()
        self._lives: list[asyncio.Task[None]] = []
        self._is_ending = False
        self._loop.add_reader(self._nursery.socket, self._hear)

    def is_ready(self, role: str) -> bool:
        """Whether anybody in this role is ready."""
        return any(member.is_ready for member in self.members if member.role == role)

    @property
    def is_hopeless(self) -> bool:
        """Whether a place can't be filled."""
        return any(member.restarts.is_hopeless for member in self.members)

    async def start(self) -> None:
        """Fill every place.

        Raises:
            PeerRefusedError: Somebody can't use what it was told.
            GatecrierError: Somebody ends again and again before it is ready.
        """
        firsts = []
        for member in self.members:
            firsts.append(first := self._loop.create_future())
            self._lives.append(self._loop.create_task(self._keep(member, first)))
        await asyncio.gather(*firsts)

    async def stop(self) -> None:
        """End everybody: who was told to end before has ended by himself; the others are killed."""
        self._is_ending = True
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        self._loop.remove_reader(self._nursery.socket)
        self._nursery.close()

    async def _keep(self, member: Member, first: asyncio.Future[None]) -> None:
        while True:
            ready_for = await self._live(member, first)
            wait = member.restarts.ended(ready_for)
            if member.restarts.is_hopeless and not first.done():
                first.set_exception(
                    GatecrierError(f"the {member.role} process ended again and again before it was ready")
                )
                return
            self._hooks.restarting(member)
            log.warning("process_restarting", role=member.role, number=member.number, seconds=wait)
            self._hooks.changed()
            await asyncio.sleep(wait)

    async def _live(self, member: Member, first: asyncio.Future[None]) -> float | None:
        """One life; returns for how many seconds it was ready."""
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            born = self._order(member, theirs)
        peer = await self._connected(member, ours, ended)
        proven: asyncio.TimerHandle | None = None
        try:
            member.process = await born
            async with asyncio.timeout(GREETING):
                await self._hooks.greet(member, peer)
            member.peer, member.ready_since = peer, self._loop.time()
            proven = self._loop.call_later(PROVEN, self._has_proven, member)
            log.info("process_ready", role=member.role, number=member.number, process=member.process)
            self._hooks.changed()
            if not first.done():
                first.set_result(None)
            await self._until_the_end(member, peer, ended)
        except PeerRefusedError as error:
            if not first.done():
                first.set_exception(error)
            log.error("process_refused", role=member.role, number=member.number, problem=str(error))  # noqa: TRY400 - the stack says nothing more
        except (PeerError, TimeoutError, OSError) as error:
            log.warning("process_not_ready", role=member.role, number=member.number, problem=str(error))
        finally:
            ready_for = None if member.ready_since is None else self._loop.time() - member.ready_since
            if proven is not None:
                proven.cancel()
            peer.close()
            self._loop.call_later(REAPING, reap)
            if not ended.is_set():
                _kill(member.process)
            member.peer = member.ready_since = member.process = None
        return ready_for

    def _order(self, member: Member, theirs: socket.socket) -> asyncio.Future[int]:
        born: asyncio.Future[int] = self._loop.create_future()
        try:
            self._nursery.order(member.role, [theirs.fileno(), *self._hooks.inherit(member)])
        except OSError as error:
            born.set_exception(error)
        else:
            self._ordered.append(born)
        return born

    async def _connected(self, member: Member, ours: socket.socket, ended: asyncio.Event) -> Peer:
        async def answer(topic: str, body: bytes) -> bytes:
            return await self._hooks.answer(member, topic, body)

        _, peer = await self._loop.create_unix_connection(lambda: Peer(answer, ended.set), sock=ours)
        return peer

    async def _until_the_end(self, member: Member, peer: Peer, ended: asyncio.Event) -> None:
        watching = self._loop.create_task(_hangs(peer))
        ending = self._loop.create_task(ended.wait())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, ending):
                task.cancel()
        if not ended.is_set():
            log.error("process_hangs", role=member.role, number=member.number, process=member.process)

    def _has_proven(self, member: Member) -> None:
        member.restarts.has_proven()
        self._hooks.changed()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                if (said := self._nursery.hear()) is None:
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
        self._loop.remove_reader(self._nursery.socket)
        while self._ordered:
            if not (born := self._ordered.popleft()).done():
                born.set_exception(ConnectionResetError("the nursery has ended"))
        wait = self._nurseries.ended(None)
        log.warning("nursery_ended", seconds=wait)
        self._loop.call_later(wait, self._replace_nursery)

    def _replace_nursery(self) -> None:
        if not self._is_ending:
            self._nursery.replace()
            self._loop.add_reader(self._nursery.socket, self._hear)


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
