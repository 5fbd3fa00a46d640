"""Requests at an even pace, open loop, to a real API server, and what became of each.

The n-th is due n/rate seconds after the first, whatever became of those before. A few senders share what is due, each
with a connection that it keeps and bodies that are made once, so that sending costs next to nothing. Where the API
server takes fewer than are due, they fall behind, and `pace` says what they reached: nothing here claims more.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import aiohttp
from yarl import URL

from router.outbound.authorities import client_context
from router.tls import show
from tests.chart.cluster import Cluster

SENDERS = 48
"""Requests that are not answered yet, at most, of one who asks."""


class Fate(Enum):
    """What must become of a request."""

    LET_IN = "let in"
    WARNED = "let in with a warning"
    """Judged, and let in where nothing is refused: without the warning nobody would have been asked."""
    REFUSED = "refused"


class Case(NamedTuple):
    """A Pod with this image, in this namespace."""

    namespace: str
    image: str
    fate: Fate


@dataclass
class Asking:
    """One who asks, each case in turn."""

    session: aiohttp.ClientSession
    server: str
    cases: Sequence[Case]
    answered: int = 0
    pace: float = 0.0
    """Requests a second that were answered until now."""
    wrong: list[str] = field(default_factory=list)

    async def at(self, rate: float, *, is_dry: bool) -> None:
        """Go on at so many a second until cancelled; only dry runs leave nothing behind."""
        loop, began, numbers = asyncio.get_running_loop(), asyncio.get_running_loop().time(), itertools.count()
        sent = [(case, self._url(case, is_dry=is_dry), self._body(case)) for case in self.cases]

        async def send() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                await self._ask(*sent[number % len(sent)])
                self.pace = self.answered / (loop.time() - began)

        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(send())

    async def each(self) -> None:
        """Ask about each case once, as a dry run."""
        for case in self.cases:
            await self._ask(case, self._url(case, is_dry=True), self._body(case))

    def _url(self, case: Case, *, is_dry: bool) -> URL:
        return URL(f"{self.server}/api/v1/namespaces/{case.namespace}/pods{'?dryRun=All' if is_dry else ''}")

    @staticmethod
    def _body(case: Case) -> bytes:
        containers = [{"name": "web", "image": case.image}]
        return json.dumps({"metadata": {"generateName": "asked-"}, "spec": {"containers": containers}}).encode()

    async def _ask(self, case: Case, url: URL, body: bytes) -> None:
        async with self.session.post(url, data=body, headers={"Content-Type": "application/json"}) as reply:
            text = await reply.text()
        self.answered += 1
        if _fate(reply, text) is not case.fate:
            self.wrong.append(f"{case.namespace}: {reply.status} {text[:500]}")


def _fate(reply: aiohttp.ClientResponse, text: str) -> Fate | None:
    """What has become of it; None where it is nothing that could be wanted."""
    if reply.status == 201:
        return Fate.WARNED if "gatecrier (detect):" in reply.headers.get("Warning", "") else Fate.LET_IN
    return Fate.REFUSED if reply.status == 403 and "denied the request" in text else None


@contextlib.asynccontextmanager
async def session(made: Cluster) -> AsyncIterator[aiohttp.ClientSession]:
    """Of the administrator."""
    context = client_context(made.server.authority.certificate.decode())
    show(context, made.server.authority.pair("admin", "system:masters"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0)) as opened:
        yield opened


@contextlib.asynccontextmanager
async def going_on(*working: asyncio.Task[None]) -> AsyncIterator[None]:
    """Let these go on meanwhile; none of them may end by itself."""
    try:
        yield
        assert [task.exception() for task in working if task.done()] == []
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
