"""What a keeper has to do with other replicas: it collects their events, or hands over its own.

Rules:
(1) What can fail for good is done first: the collector listens from the beginning (`listen`). Who calls before there is
    a certificate by which replicas know each other waits in the kernel.
(2) `show` fails for nothing that passes: what can't be kept beside the outbox is said, and kept later (`keep_again`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from router.assembly.observing import MetricsObserver
from router.decision import Grant
from router.fields import ListenAddress
from router.outbox.sqlite import SqliteOutbox
from router.replicas.calling import Calling
from router.replicas.collecting import Collecting
from router.replicas.exchange import GRANTS, Granted, GrantsQuestion, packed, unpacked
from router.replicas.handing_over import HandingOver
from router.replicas.identity import ReplicaIdentity, keep
from router.replicas.naming import is_own, listening_at
from router.scanning.recording import Terms
from router.server.sockets import listening_sockets
from router.telemetry.logs import logger

log = logger()

PATIENCE = 0.8
"""Seconds that the collector may take to say what break-glass lets in: a request waits for it."""
AT_ONCE = 4
"""Namespaces that it is asked about at the same time."""


class AmongReplicas:
    """One replica of several.

    Args:
        outbox: Where its events are.
        replica: What it is called.
        collector: Which one makes incidents of all.
        observing: Who counts.
        config: The configuration file.
        known_by: Where it keeps what the others know it by, for commands.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        replica: str,
        collector: ListenAddress,
        observing: MetricsObserver,
        *,
        config: Path,
        known_by: Path,
    ) -> None:
        self.is_collector = is_own(collector, replica)
        """Whether it is this one."""
        self._outbox = outbox
        self._observing = observing
        self._config = config
        self._known_by = known_by
        self._sockets: Sequence[socket.socket] = ()
        self._collecting: Collecting | None = None
        self._collector = collector
        self._asking: Calling | None = None
        self._unkept: ReplicaIdentity | None = None
        """What is not yet in its file."""
        self._turn = asyncio.Lock()
        self._handing_over = HandingOver(outbox, replica, collector, observing)

    async def listen(self) -> None:
        """Listen, where others call; nobody is answered before there is something to show.

        Raises:
            ConfigurationError: The address is taken.
        """
        if self.is_collector:
            self._sockets = await listening_sockets(listening_at(self._collector))

    async def show(self, identity: ReplicaIdentity, terms: Terms, woken: Callable[[], None]) -> None:
        """Be known by this from now on, and keep by these terms what others have scanned; after `listen`.

        `woken` is told when events of others have come.
        """
        if not self.is_collector:
            self._handing_over.show(identity)
            self._unkept = identity
            await self.keep_again()
            before, self._asking = self._asking, Calling(self._collector, identity, PATIENCE, at_once=AT_ONCE)
            if before is not None:  # only now: who asks meanwhile is to find one that is open
                await before.close()
        elif self._collecting is not None:
            self._collecting.show(identity)
            self._collecting.take_by(terms)
        else:
            collecting = Collecting(
                self._outbox, self._sockets, identity, self._observing, woken=woken, config=self._config, terms=terms
            )
            await collecting.start()
            self._collecting = collecting

    async def keep_again(self) -> None:
        """Keep for commands what the others know us by, where that is not done yet."""
        async with self._turn:
            if (unkept := self._unkept) is None:
                return
            try:
                await asyncio.to_thread(keep, unkept, self._known_by)
            except OSError as error:
                advice = "commands go by the one before, if there is one; it is tried again"
                log.warning("identity_not_kept", path=str(self._known_by), cause=str(error), advice=advice)
                return
            if self._unkept is unkept:  # another may have come meanwhile
                self._unkept = None

    async def grants(self, namespace: str) -> Sequence[Grant]:
        """What break-glass lets in there by what other replicas have stored, as far as this one has not collected it.

        Raises:
            ReplicaError: The collector can't be asked.
        """
        if self.is_collector or self._asking is None:
            return ()
        return unpacked(await self._asking.ask(GRANTS, packed(GrantsQuestion(namespace))), Granted).grants

    def beaten(self) -> None:
        """There is a beat to tell the collector of."""
        self._handing_over.wake()

    async def hand_over(self) -> None:
        """Hand over what is stored here, until cancelled."""
        await self._handing_over.run()

    async def close(self) -> None:
        """Take nothing more."""
        if self._collecting is not None:
            await self._collecting.close()
        for listening in self._sockets:
            listening.close()
        if self._asking is not None:
            await self._asking.close()
        await self._handing_over.close()
