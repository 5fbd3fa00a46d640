"""The half that decides: listens, judges, has events stored by whoever keeps them, and answers.

It knows the other half as an intake and as somebody who obtains receipts, in this process or in another.

Reload: what a new configuration makes is prepared first, and comes into force in one turn of the loop; a request keeps
the rules that it began with. A changed certificate, and changed clients, hold for new connections; changed clients end
the old ones, too.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Mapping, Sequence

from router.admission.gate import Gate
from router.admission.recording import EventRecorder
from router.admission.request_context import ObtainGrants, ObtainReceipts
from router.admission.unreadable import UnreadableBodies
from router.admission.webhook import Webhook
from router.assembly.deciding import Deciding, Memory, deciding
from router.assembly.observing import MetricsObserver
from router.assembly.opening import open_files
from router.assembly.tending import Tending
from router.outbox import Intake
from router.outbox.posting import PostEvent
from router.pem import KeyPair
from router.server.limits import WEBHOOK
from router.server.listening import Listener
from router.settings.parts import GatePart

FINISH = 1.0
"""Seconds beyond their deadline that requests in hand get to be answered when we end."""
GRACE = 60.0
"""Seconds that connections of a replaced configuration are kept for requests that still use it."""


class GateHalf:
    """Decides.

    Args:
        intake: Where events are stored.
        observing: Who counts.
        replica: The name of this product among those of its cluster.
        tending: Keeps what goes on beside requests.
        gates: How many gates there are: each gets its share of what all of them may hold.
        post: Posts events to the same intake, where it has a way of its own.
    """

    def __init__(
        self,
        intake: Intake,
        observing: MetricsObserver,
        replica: str,
        tending: Tending,
        *,
        gates: int = 1,
        post: PostEvent | None = None,
    ) -> None:
        self._intake = intake
        self._post = post
        self._observing = observing
        self._replica = replica
        self._tending = tending
        self._gates = gates
        self._memory = Memory.shared_by(gates)
        self._in_force: Deciding | None = None
        self._gate: Gate | None = None
        self._unreadable: UnreadableBodies | None = None
        self._listener: Listener | None = None

    def prepare(
        self, part: GatePart, receipts: ObtainReceipts, grants: ObtainGrants, *, pair: KeyPair | None
    ) -> Deciding:
        """What a configuration makes; nothing is changed yet. Raises ConfigurationError."""
        return deciding(part, receipts, grants, self._replica, self._observing, self._memory, pair=pair)

    def commit(self, prepared: Deciding) -> None:
        """Decide by this from now on."""
        before, self._in_force = self._in_force, prepared
        if self._gate is not None:
            self._gate.rules = prepared.rules
        if before is None:
            return
        if self._listener is not None and prepared.entrance.clients != before.entrance.clients:
            self._listener.renew()
        self._tending.let_end("close an old registry client", _closed_later(before))

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Answer on these sockets, which are listening already; after the first `commit`."""
        first = self._deciding
        recorder = EventRecorder(self._intake, self._observing, post=self._post)
        gate = self._gate = Gate(first.rules, recorder, self._observing)
        self._unreadable = UnreadableBodies(gate.unreadable)
        webhook = Webhook(gate, first.settings.webhook.max_body, self._observing, self._unreadable, share=self._gates)
        most = min(WEBHOOK.most // self._gates, open_files() // 2)
        self._listener = Listener(
            webhook.answer,
            sockets,
            self._observing,
            entrance=lambda: self._deciding.entrance,
            prompt=webhook.at_once,
            limits=dataclasses.replace(WEBHOOK, most=most),
        )
        await self._listener.start()

    def connections(self) -> Mapping[str, int]:
        """How many connections of each state there are."""
        return {} if self._listener is None else self._listener.connections.counts()

    def say_goodbye(self) -> None:
        """Go on answering, but let each answer be its connection's last."""
        if self._listener is not None:
            self._listener.say_goodbye()

    async def close(self) -> None:
        """Nobody new; answer those in hand, and end."""
        if self._listener is not None:
            await self._listener.close(self._deciding.settings.webhook.deadline + FINISH)
        if self._unreadable is not None:
            await self._unreadable.close()
        if self._gate is not None:
            await self._gate.close()
        if self._in_force is not None:
            await self._in_force.registry.close()
        await self._memory.revocations.close()

    @property
    def _deciding(self) -> Deciding:
        if self._in_force is None:
            raise RuntimeError("there is nothing to decide by before the first commit")
        return self._in_force


async def _closed_later(before: Deciding) -> None:
    """Requests that came before go on by what was in force then."""
    try:
        await asyncio.sleep(GRACE)
    finally:
        await before.registry.close()
