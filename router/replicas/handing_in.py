"""Hands in what was scanned here to the collector.

Rules:
(1) What a scan has found is of the time by the collector's clock when it began: the collector says what that shows, and
    the time that has passed is taken from it. All portions of a scan have the same.
(2) Who can't be asked, or answers that it can't take anything now, is asked again after `WAITS`, so many times in all.
    Who answers that it never will is not: the configuration has to be mended, or the collector be brought up to date.
(3) All of it takes at most `LONGEST`, one question `PATIENCE`.
(4) What we are known by is read anew for each connection: it changes with the webhook's certificate.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from router.errors import ReplicaError
from router.fields import ListenAddress
from router.replicas.calling import Calling
from router.replicas.exchange import (
    FINDINGS,
    SCAN,
    SCANNED,
    FindingsPortion,
    PortionCount,
    ScanEnded,
    ScanOffered,
    TimeOfDay,
    packed,
    unpacked,
)
from router.replicas.identity import kept
from router.scanning.recording import Portion, ScanClosing, Which

WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
"""Seconds, of one scan: a collector that is restarted is back within them."""
PATIENCE = 30.0
LONGEST = 1800.0
NOT_FOUND, REFUSED_FROM, REFUSED_TO = 404, 400, 499


class AtCollector:
    """Implements `router.scanning.keeping.Keeper`; needs a running event loop.

    Args:
        collector: Where it answers.
        known_by: Where it stands what it knows us by.
        troubled: Is told why it is asked again.
        sleep: Waits for so many seconds.
        time_of_day: Seconds since 1970.
    """

    def __init__(
        self,
        collector: ListenAddress,
        known_by: Path,
        *,
        troubled: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._collector = collector
        self._known_by = known_by
        self._troubled = troubled
        self._sleep = sleep
        self._time_of_day = time_of_day
        self._waits = iter(WAITS)
        self._ends_at = asyncio.get_running_loop().time() + LONGEST
        self._calling: Calling | None = None
        self._began_at: float | None = None

    async def take(self, portion: Portion) -> int:
        """As `Keeper` says."""
        portion = replace(portion, scan=await self._by_its_clock(portion.scan))
        return unpacked(await self._ask(FINDINGS, packed(FindingsPortion(portion))), PortionCount).count

    async def end(self, ended: ScanClosing) -> int:
        """As `Keeper` says."""
        ended = replace(ended, scan=await self._by_its_clock(ended.scan))
        return unpacked(await self._ask(SCANNED, packed(ScanEnded(ended))), PortionCount).count

    async def close(self) -> None:
        """Close the connection."""
        if self._calling is not None:
            calling, self._calling = self._calling, None
            await calling.close()

    async def _by_its_clock(self, scan: Which) -> Which:
        if self._began_at is None:
            there = unpacked(await self._ask(SCAN, packed(ScanOffered(scan.cluster))), TimeOfDay).now
            self._began_at = there - (self._time_of_day() - scan.began_at)
        return replace(scan, began_at=self._began_at)

    async def _ask(self, path: str, body: bytes) -> bytes:
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._asked(path, body)
        except TimeoutError as error:
            raise ReplicaError(f"the collector {self._collector} has not taken it within {LONGEST:.0f} s") from error

    async def _asked(self, path: str, body: bytes) -> bytes:
        while True:
            if self._calling is None:
                self._calling = Calling(self._collector, await asyncio.to_thread(kept, self._known_by), PATIENCE)
            try:
                return await self._calling.ask(path, body)
            except ReplicaError as error:
                await self.close()
                wait = None if _is_final(error) else next(self._waits, None)
                if error.status == NOT_FOUND:
                    old = f"the collector {self._collector} is of a release that takes no scans of others"
                    raise ReplicaError(f"{old}; bring it up to date, or scan there") from error
                if wait is None:
                    raise
                self._troubled(str(error))
            await self._sleep(wait)


def _is_final(error: ReplicaError) -> bool:
    """Whether it would be answered the same again."""
    return error.status is not None and REFUSED_FROM <= error.status <= REFUSED_TO
