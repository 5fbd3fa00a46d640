"""How many connections of each state the processes of a product have, once they have sent what they have observed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable

from router.assembly import messages
from router.ipc import Peer, PeerError

COUNTING = 2.0
"""Seconds that a process gets to say what it has counted."""


async def counted(peers: Iterable[Peer]) -> Counter[str]:
    """Those of all that answer in time."""
    return sum(await asyncio.gather(*(_counted(peer) for peer in peers)), Counter())


async def _counted(peer: Peer) -> Counter[str]:
    with contextlib.suppress(PeerError, TimeoutError):
        async with asyncio.timeout(COUNTING):
            return Counter(messages.unpack(await peer.ask(messages.COUNTS), dict[str, int]))
    return Counter()
