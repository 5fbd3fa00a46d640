"""What the gate processes and the keeper process have in common: told what to be, they are it until they are stopped.

A member is prepared for a configuration before it is committed to it, so that all members take a change or none does.
What it observes is written down, and sent to the supervisor four times a second, or when it asks.
A member that can't do its work any more ends: the supervisor starts another, which begins anew.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Mapping
from typing import Protocol

from router.assembly import messages
from router.assembly.observing import MetricsObserver
from router.assembly.opening import COLLECTING
from router.assembly.tending import Tending
from router.ipc import Peer, PeerRefusedError
from router.supervision.child import Begin, RemoteLog
from router.telemetry import logs
from router.telemetry.forwarding import Observations, forwarding
from router.telemetry.logs import logger

log = logger()

FLUSH = 0.25
"""Seconds between two batches of facts."""
_ENDED = 69
"""EX_UNAVAILABLE of sysexits.h: it can't do its work any more."""


class MemberWork(Protocol):
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


Send = Callable[[str, bytes], bool]
"""Sends the supervisor something that wants no answer, by topic; whether that was sent."""
Make = Callable[[messages.Introduction, MetricsObserver, Tending, Send], MemberWork]
"""Makes the work of a member that was introduced."""


class Member:
    """One process, as its supervisor sees it."""

    def __init__(self, peer: Peer, make: Make) -> None:
        self._peer = peer
        self._make = make
        self._facts = Observations(lambda facts: peer.send(messages.FACTS, facts))
        self._observing = forwarding(MetricsObserver, self._facts)
        self._tending = Tending()
        self._work: MemberWork | None = None
        self._dropped: Mapping[str, int] = {}

    async def answer(self, topic: str, body: bytes) -> bytes:
        """Do what the supervisor asks."""
        if topic == messages.INTRODUCE:
            self._introduced(messages.unpack(body, messages.Introduction))
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
                self._facts.send()
            case messages.COUNTS:
                connections = await work.counts()
                self._facts.send()  # it arrives before the answer
                return messages.pack(connections)
            case _:
                raise PeerRefusedError(f"nobody answers {topic!r} here")
        return b""

    def _introduced(self, introduction: messages.Introduction) -> None:
        logs.configure(readable=introduction.is_log_readable, queue=RemoteLog(self._peer))
        self._work = self._make(introduction, self._observing, self._tending, self._peer.send)
        self._tending.keep("report what was observed", self._reporting(self._work))

    async def _reporting(self, work: MemberWork) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            self._report_dropped_lines()
            self._facts.send()
            if failure := work.failure or self._tending.failure:
                log.error("process_gives_up", cause=failure)
                logs.flush()
                self._peer.close()
                os._exit(_ENDED)

    def _report_dropped_lines(self) -> None:
        before, self._dropped = self._dropped, logs.dropped()
        for kind, count in self._dropped.items():
            if more := count - before.get(kind, 0):
                self._observing.lines_dropped(kind, more)


def member(make: Make) -> Begin:
    """Begins a member that does this work."""
    return lambda peer: Member(peer, make).answer
