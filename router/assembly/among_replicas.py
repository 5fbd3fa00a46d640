"""What a keeper has to do with other replicas: it collects their events, or hands over its own."""

from __future__ import annotations

import asyncio
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
        self._address = listening_at(collector)
        self._collecting: Collecting | None = None
        self._collector = collector
        self._asking: Calling | None = None
        self._handing_over = HandingOver(outbox, replica, collector, observing)

    async def show(self, identity: ReplicaIdentity, terms: Terms, woken: Callable[[], None]) -> None:
        """Be known by this from now on, and keep by these terms what others have scanned.

        `woken` is told when events of others have come.

        Raises:
            ConfigurationError: The collector can't listen where it should.
            OSError: There is no room beside the outbox.
        """
        if not self.is_collector:
            self._handing_over.show(identity)
            await asyncio.to_thread(keep, identity, self._known_by)
            before, self._asking = self._asking, Calling(self._collector, identity, PATIENCE, at_once=AT_ONCE)
            if before is not None:  # only now: who asks meanwhile is to find one that is open
                await before.close()
        elif self._collecting is not None:
            self._collecting.show(identity)
            self._collecting.take_by(terms)
        else:
            self._collecting = Collecting(
                self._outbox, self._address, identity, self._observing, woken=woken, config=self._config, terms=terms
            )
            await self._collecting.start()

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
        if self._asking is not None:
            await self._asking.close()
        await self._handing_over.close()
