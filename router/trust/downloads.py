"""The files of one refresh: each bounded in size and in time, all of them together in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from yarl import URL

from router.outbound.fetching import Fetching

LARGEST = 2**20
"""Bytes of one file: the largest of the public-good instance has 7,000."""
PATIENCE_OF_ONE = 20.0
"""Seconds that one file may take."""


class Downloads(Fetching):
    """Downloads of one refresh, an asynchronous context.

    Args:
        authorities: PEM of the only CAs that may vouch for the server; None: the system's.
        environment: Says which proxy is taken.
        deadline: In the time of the running loop.
    """

    def __init__(self, authorities: str | None, environment: Mapping[str, str], deadline: float) -> None:
        super().__init__(environment, authorities)
        self._deadline = deadline

    async def get(self, url: str) -> bytes:
        """The whole of a file; raises FetchError."""
        until = min(asyncio.get_running_loop().time() + PATIENCE_OF_ONE, self._deadline)
        return await self.fetch(url, URL(url).name, LARGEST, until)
