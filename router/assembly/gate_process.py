"""A gate in a process of its own: the half that decides, with the keeper at the other end of a line."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from router.admission.request_context import ObtainGrants, ObtainReceipts
from router.assembly import messages
from router.assembly.deciding import Deciding
from router.assembly.gate_half import GateHalf
from router.assembly.member import Send, member
from router.assembly.observing import MetricsObserver
from router.assembly.opening import new_event_loop
from router.assembly.tending import Tending
from router.decision import Grant
from router.errors import ConfigurationError
from router.ipc import Line, PeerError
from router.outbox.remote import RemoteIntake
from router.settings.parts import gate_part
from router.supervision.child import live
from router.telemetry.logs import logger
from router.verification.sigstore.trusted_root import UnusableRootError, read_trusted_root
from router.verification.trust_roots import Roots

log = logger()

_ANSWERING = 0.05
"""Seconds that are kept back for the keeper's answer: who has given a receipt is known then, whoever else has not."""


class GateWork:
    """Implements `router.assembly.member.MemberWork`."""

    failure = ""

    def __init__(
        self, introduction: messages.Introduction, observing: MetricsObserver, tending: Tending, sockets: Sequence[int]
    ) -> None:
        self._line = Line(introduction.keeper)
        intake = RemoteIntake(self._line)
        self._half = GateHalf(
            intake, observing, introduction.replica, tending, gates=introduction.gates, post=intake.post
        )
        self._tending = tending
        self._sockets = sockets
        self._prepared: Deciding | None = None

    async def prepare(self, configuration: messages.Configuration) -> None:
        """Make what it asks for, and change nothing."""
        part = await asyncio.to_thread(gate_part, configuration.part)
        receipts = receipts_over(self._line, configuration.generation)
        part = replace(part, roots=_roots(configuration.roots))
        self._prepared = self._half.prepare(part, receipts, grants_over(self._line), pair=configuration.pair)

    async def commit(self) -> None:
        """Work by what was prepared last."""
        if (prepared := self._prepared) is not None:
            self._half.commit(prepared)

    async def start(self) -> None:
        """Listen."""
        await self._half.listen([socket.socket(fileno=descriptor) for descriptor in self._sockets])
        self._tending.keep("say that requests are taken", self._saying_that_we_watch())

    async def _saying_that_we_watch(self) -> None:
        while True:
            with contextlib.suppress(PeerError):  # the next word will do
                await self._line.ask(messages.WATCHING)
            await asyncio.sleep(messages.WATCHING_EVERY)

    async def counts(self) -> Mapping[str, int]:
        """How many connections of each state there are."""
        return self._half.connections()

    def leave(self) -> None:
        """Let each answer be its connection's last."""
        self._half.say_goodbye()

    async def stop(self) -> None:
        """Answer those in hand, and end."""
        await self._half.close()
        await self._line.close()


def _roots(bodies: Mapping[str, bytes]) -> Roots:
    try:
        return {repository: read_trusted_root(body) for repository, body in bodies.items()}
    except UnusableRootError as error:
        raise ConfigurationError(f"a refreshed root can't be used: {error}") from error


def receipts_over(line: Line, generation: int) -> ObtainReceipts:
    """Obtains receipts by asking the keeper; whoever can't be asked has given none."""

    async def obtain(body: bytes, event_id: str, destinations: Sequence[str], deadline: float) -> frozenset[str]:
        seconds = deadline - asyncio.get_running_loop().time()
        until = time.monotonic() + seconds - min(_ANSWERING, seconds / 2)
        question = messages.UrgentReceivers(generation, event_id, body, destinations, until)
        try:
            async with asyncio.timeout_at(deadline):
                answer = await line.ask(messages.RECEIPTS, messages.pack(question))
        except (TimeoutError, PeerError) as error:
            log.warning("receipts_not_obtained", event_id=event_id, cause=str(error) or "no time was left")
            return frozenset()
        return messages.unpack(answer, frozenset[str])

    return obtain


def grants_over(line: Line) -> ObtainGrants:
    """Obtains grants by asking the keeper; whoever can't be asked has none."""

    async def obtain(namespace: str, deadline: float) -> Sequence[Grant]:
        try:
            async with asyncio.timeout_at(deadline):
                answer = await line.ask(messages.GRANTS, messages.pack(namespace))
        except (TimeoutError, PeerError) as error:
            log.warning("grants_not_obtained", namespace=namespace, cause=str(error) or "no time was left")
            return ()
        return messages.unpack(answer, tuple[Grant, ...])

    return obtain


def gate(descriptors: Sequence[int]) -> int:
    """The role of a gate process: its socket to the supervisor, then those on which it listens."""

    def make(introduction: messages.Introduction, observing: MetricsObserver, tending: Tending, _: Send) -> GateWork:
        return GateWork(introduction, observing, tending, descriptors[1:])

    return live("gate", descriptors[0], member(make), new_event_loop)
