"""What the gate processes and the keeper process have in common: told what to be, they are it until they are stopped.

A member is prepared for a configuration before it is committed to it, so that all members take a change or none does.
What it observes is written down, and sent to the supervisor four times a second, or when it asks.
A member that can't do its work any more ends: the supervisor starts another, which begins anew.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from router.assembly import messages
from router.assembly.observing import Observing
from router.assembly.opening import COLLECTING
from router.assembly.tending import Tending
from router.ipc import Answerer, Peer, PeerRefusedError
from router.supervision.child import RemoteLog
from router.telemetry import logs
from router.telemetry.forwarding import Facts, forwarding
from router.telemetry.logs import logger

log = logger()

FLUSH = 0.25
"""Seconds between two batches of facts."""
_ENDED = 69
"""EX_UNAVAILABLE of sysexits.h: it can't do its work any more."""


class Work(Protocol):
    """What a member does: the gate's work, or the keeper's."""

    @property
    def failure(self) -> str:
        """Why it can't be done any more; empty while it can."""

    async def prepare(self, configuration: messages.Configuration) -> None:
        """Make what it asks for, and change nothing; raises GatecrierError."""

    async def commit(self) -> None:
        """Work by what was prepared last."""

    async def start(self) -> None:
        """Begin; after the first commit."""

    async def counts(self) -> Mapping[str, int]:
        """How many connections of each state there are; reports whatever else is to be counted now."""

    def leave(self) -> None:
        """Let each answer be its connection's last."""

    async def stop(self) -> None:
        """End what is in hand."""


Make = Callable[[messages.Introduction, Observing, Tending], Awaitable[Work]]
"""Makes the work of a member that was introduced."""


class Member:
    """One process, as its supervisor sees it."""

    def __init__(self, peer: Peer, make: Make) -> None:
        self._peer = peer
        self._make = make
        self._facts = Facts(self._send)
        self._observing = forwarding(Observing, self._facts)
        self._tending = Tending()
        self._work: Work | None = None

    async def answer(self, topic: str, body: bytes) -> bytes:
        """Do what the supervisor asks."""
        if topic == messages.INTRODUCE:
            await self._introduced(messages.unpack(body, messages.Introduction))
            return b""
        if (work := self._work) is None:
            raise PeerRefusedError("introduce yourself first")
        match topic:
            case messages.PREPARE:
                await work.prepare(messages.unpack(body, messages.Configuration))
            case messages.COMMIT:
                await work.commit()
            case messages.START:
                await work.start()
                gc.freeze()  # what lives from now on until the end need not be looked at by every collection
                gc.set_threshold(*COLLECTING)
            case messages.LEAVE:
                work.leave()
            case messages.STOP:
                await self._tending.close()
                await work.stop()
                self._send()
            case messages.COUNTS:
                connections = await work.counts()
                self._send()  # it arrives before the answer
                return messages.pack(connections)
            case _:
                raise PeerRefusedError(f"nobody answers {topic!r} here")
        return b""

    async def _introduced(self, introduction: messages.Introduction) -> None:
        logs.configure(readable=introduction.is_log_readable, queue=RemoteLog(self._peer))
        self._work = await self._make(introduction, self._observing, self._tending)
        self._tending.keep("report what was observed", self._reporting(self._work))

    async def _reporting(self, work: Work) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            self._send()
            if failure := work.failure or self._tending.failure:
                log.error("process_gives_up", cause=failure)
                self._peer.close()
                os._exit(_ENDED)

    def _send(self) -> None:
        if facts := self._facts.taken():
            self._peer.tell(messages.FACTS, facts)


def member(make: Make) -> Callable[[Peer], Awaitable[Answerer]]:
    """Begins a member that does this work."""

    async def begin(peer: Peer) -> Answerer:
        return Member(peer, make).answer

    return begin
