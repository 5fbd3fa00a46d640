"""The keeper in a process of its own: the half that loses nothing, with gates at the other ends of lines."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from router.assembly import messages
from router.assembly.channels import MadeChannel
from router.assembly.keeper_half import KeeperHalf
from router.assembly.member import Send, member
from router.assembly.observing import MetricsObserver
from router.assembly.opening import TURNS, new_event_loop
from router.assembly.scans import Scans
from router.assembly.tending import Tending
from router.certificates.keeping import CertificateKeeper
from router.certificates.making import HeldCertificate
from router.errors import OutboxError
from router.ipc import Peer, PeerRefusedError
from router.outbox.remote import answers, prompt_answers
from router.replicas.identity import ReplicaIdentity, identity
from router.settings.parts import KeeperPart, keeper_part
from router.supervision.child import live
from router.trust.refreshing import TRUST, Refreshing, Repositories
from router.verification.repositories import Repository


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A configuration, and what was made of it."""

    part: KeeperPart
    made: Mapping[str, MadeChannel]
    configuration: messages.Configuration
    known_by: ReplicaIdentity | None
    """By what other replicas know us."""


class KeeperWork:
    """Implements `router.assembly.member.MemberWork`."""

    def __init__(
        self,
        introduction: messages.Introduction,
        observing: MetricsObserver,
        tending: Tending,
        send: Send,
        listening: int,
    ) -> None:
        self._replica = introduction.replica
        self._observing = observing
        self._tending = tending
        self._send = send
        self._listening = listening
        self._half: KeeperHalf | None = None
        self._prepared: _Prepared | None = None
        self._server: asyncio.Server | None = None
        self._patience = 0.0
        self._refreshing: Refreshing | None = None
        self._watched_at = -math.inf
        self._scans = Scans()
        self._managing: CertificateKeeper | None = None

    @property
    def failure(self) -> str:
        """Why it can't be done any more; empty while it can."""
        return "" if self._half is None else self._half.failure or self._half.ended_lanes

    async def prepare(self, configuration: messages.Configuration) -> None:
        """Make what it asks for, and change nothing but that the outbox is open."""
        part = await asyncio.to_thread(keeper_part, configuration.part)
        if self._half is None:
            config = Path(configuration.part.path)
            self._half = await KeeperHalf.open(part, self._observing, self._replica, self._tending, config)
            self._half.watch_while(self._is_watching)
        known_by = configuration.identity
        if configuration.held is not None and part.settings.incidents.collector is not None:
            known_by = identity(configuration.held.pair)
        self._prepared = _Prepared(part, self._half.prepare(part), configuration, known_by)

    async def commit(self) -> None:
        """Work by what was prepared last."""
        if (prepared := self._prepared) is not None:
            part, configuration = prepared.part, prepared.configuration
            self._observing.expect_destinations(list(prepared.made))
            self._patience = configuration.patience
            await self._keeping.commit(part, prepared.made, configuration.generation, prepared.known_by)
            self._scans.take(part.settings.scan if self._keeping.collects else None, configuration.part.path)
            self._manage(configuration)
            self._look_after(configuration.repositories, part.settings.outbox.path.parent / TRUST)

    def _manage(self, configuration: messages.Configuration) -> None:
        """Look after the webhook's certificate; nothing of it runs where another is named."""
        if self._managing is None and configuration.is_managed:
            cluster, replica = self._keeping.cluster, self._replica
            names = partial(cluster.names, replica)
            self._managing = CertificateKeeper(cluster.get, names, replica, self._hand_on_held, self._observing)
            self._tending.keep("look after the webhook's certificate", self._managing.run())
        if self._managing is not None:
            self._managing.is_on, self._managing.shown = configuration.is_managed, configuration.held

    def _hand_on_held(self, held: HeldCertificate) -> None:
        self._send(messages.HELD, messages.pack(held))

    def _look_after(self, repositories: Sequence[Repository], folder: Path) -> None:
        """Refresh what trusted roots come from; nothing of it runs where there is nothing to refresh."""
        if self._refreshing is None and repositories:
            self._refreshing = Refreshing(Repositories(folder), self._hand_on_root, self._observing)
            self._tending.keep("refresh trusted roots", self._refreshing.run())
        if self._refreshing is not None:
            self._refreshing.replace(repositories)

    def _hand_on_root(self, repository: Repository, body: bytes) -> bool:
        return self._send(messages.ROOT, messages.pack(messages.RefreshedRoot(repository.id, body)))

    async def start(self) -> None:
        """Answer gates, and forget old events now and then."""
        topics = {
            **answers(self._keeping.intake),
            messages.RECEIPTS: self._receipts,
            messages.GRANTS: self._grants,
            messages.WATCHING: self._hear_of_watching,
        }

        async def answer(topic: str, body: bytes) -> bytes:
            if (answering := topics.get(topic)) is None:
                raise PeerRefusedError(f"nobody answers {topic!r} here")
            return await answering(body)

        loop, prompt = asyncio.get_running_loop(), prompt_answers(self._keeping.intake)
        listening = socket.socket(fileno=self._listening)
        self._server = await loop.create_unix_server(lambda: Peer(answer, prompt=prompt), sock=listening)
        self._keeping.keep_house()
        self._tending.keep("scan what runs", self._scans.run())

    async def counts(self) -> Mapping[str, int]:
        """No connections of clients; reports what waits."""
        with contextlib.suppress(OutboxError):  # everything else is still worth reporting, and then the more so
            await self._keeping.report_waiting()
        return {}

    def leave(self) -> None:
        """Nothing changes: gates go on appending."""

    async def stop(self) -> None:
        """Give attempts under way their time, and close the outbox."""
        if self._server is not None:
            self._server.close()
        if self._half is not None:
            await self._half.close(self._patience)

    @property
    def _keeping(self) -> KeeperHalf:
        if self._half is None:
            raise PeerRefusedError("prepare a configuration first")
        return self._half

    async def _hear_of_watching(self, _: bytes) -> bytes:
        self._watched_at = asyncio.get_running_loop().time()
        return b""

    def _is_watching(self) -> bool:
        """Whether a gate was heard of within the last times that one should have been."""
        return asyncio.get_running_loop().time() - self._watched_at < 3 * messages.WATCHING_EVERY

    async def _receipts(self, body: bytes) -> bytes:
        asked = messages.unpack(body, messages.UrgentReceivers)
        deadline = asyncio.get_running_loop().time() + asked.until - time.monotonic()
        given = await self._keeping.receipts(asked.generation, asked.body, asked.event_id, asked.destinations, deadline)
        return messages.pack(given)

    async def _grants(self, body: bytes) -> bytes:
        return messages.pack(await self._keeping.grants(messages.unpack(body, str)))


def keeper(descriptors: Sequence[int]) -> int:
    """The role of the keeper process: its socket to the supervisor, then the one at which gates call."""

    def make(
        introduction: messages.Introduction, observing: MetricsObserver, tending: Tending, send: Send
    ) -> KeeperWork:
        return KeeperWork(introduction, observing, tending, send, descriptors[1])

    sys.setswitchinterval(TURNS)
    return live("keeper", descriptors[0], member(make), new_event_loop)
