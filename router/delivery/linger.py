"""An incomplete batch waits a little for what may come: fewer requests for services that take many events in one.

Rules:
(1) A batch that is full, by count or by bytes, does not wait, and neither does one whose time has passed, or one by
    which the breaker probes, nor any while something waits that goes alone. The time begins when a slot could have
    taken the batch.
(2) Who may wait so is said by the destination; for most of them nothing waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from router.delivery.ready import Ready
from router.destinations.document import Destination


class Linger:
    """Holds back incomplete batches of one lane.

    Args:
        destination: Says for how long, and what is full.
        call: Has a slot look again.
    """

    def __init__(self, destination: Destination, call: Callable[[], None]) -> None:
        self._seconds = destination.linger
        self._count, self._bytes = destination.batch_size, destination.batch_bytes
        self._call = call
        self._since: float | None = None

    def holds(self, ready: Ready, *, is_probing: bool) -> bool:
        """Whether what is ready is to wait for more."""
        is_full = len(ready) >= self._count or ready.size >= self._bytes
        if is_full or is_probing or ready.has_suspects or not self._seconds:
            self._since = None
            return False
        loop = asyncio.get_running_loop()
        if self._since is None:
            self._since = loop.time()
            loop.call_at(self._since + self._seconds, self._call)
            return True
        if loop.time() < self._since + self._seconds:
            return True
        self._since = None
        return False
