"""A listener on loopback with small limits, and clients that write bytes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from aiohttp import web

from router.assembly.opening import new_event_loop
from router.cli.demo.world import free_port
from router.fields import ListenAddress
from router.server.certificates import new_context, self_signed
from router.server.direct import Prompt
from router.server.entrance import Clients, Entrance, asking
from router.server.limits import ListenerLimits
from router.server.listening import Listener
from router.tls import show
from tests.patience import PATIENCE

Result = TypeVar("Result")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAIR = self_signed(["127.0.0.1"], dt.datetime.now(dt.UTC))


class Play(Protocol):
    """Runs a story on the loop that is under test."""

    def __call__(self, story: Coroutine[object, object, Result]) -> Result:
        """To its end."""


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that the product may run on."""
    return {"ours": new_event_loop, "asyncio": asyncio.new_event_loop}


def entrance(clients: Clients | None = None) -> Entrance:
    """A door that shows a self-signed certificate."""
    context = new_context()
    show(context, PAIR)
    return asking(context, clients)


def trusting() -> ssl.SSLContext:
    """A client's context that trusts everybody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Client:
    """One connection of somebody."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n") -> tuple[int, bytes, bytes]:
        """Send this; status, head and body of the answer."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            body = await self.reader.readexactly(int(fields.get(b"content-length", b"0")))
        return int(head.split()[1]), head, body

    async def end(self) -> bytes:
        """What still comes until the connection is closed; waits for that."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except OSError:
                return b""

    async def close(self) -> None:
        """Go away in good order."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class Facts:
    """An observer that keeps what it is told."""

    statuses: list[int] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    handshakes_failed: int = 0
    clients_refused: int = 0

    def turned_away(self, status: int) -> None:
        """Keep the status."""
        self.statuses.append(status)

    def connection_ended(self, reason: str) -> None:
        """Keep the reason."""
        self.endings.append(reason)

    def handshake_failed(self) -> None:
        """Count."""
        self.handshakes_failed += 1

    def client_refused(self) -> None:
        """Count."""
        self.clients_refused += 1


class Stage:
    """A listener that is under test."""

    def __init__(
        self, handler: Handler, limits: ListenerLimits, *, tls: bool = True, prompt: Prompt | None = None
    ) -> None:
        self.door = entrance()
        self.facts = Facts()
        self.port = free_port()
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", handler)
        self.listener = Listener(
            application,
            ListenAddress("127.0.0.1", self.port),
            self.facts,
            entrance=(lambda: self.door) if tls else None,
            prompt=prompt,
            limits=limits,
            sweep=0.01,
        )
        self._is_tls = tls
        self._clients: list[Client] = []

    async def connect(self, context: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> Client:
        """Somebody comes."""
        tls = (context or trusting()) if self._is_tls else None
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, local_addr=(source, 0)))
        self._clients.append(client)
        return client

    async def come(self, source: str = "127.0.0.1") -> Client:
        """Somebody comes and speaks no TLS."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)))
        self._clients.append(client)
        return client

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - the listener tells nobody
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        """Everybody goes."""
        for client in self._clients:
            await client.close()
        await self.listener.close()


async def hello(request: web.Request) -> web.Response:
    """Reads the body and says how long it was."""
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
    return web.Response(text=str(size))


@contextlib.asynccontextmanager
async def listening(
    handler: Handler = hello, *, tls: bool = True, prompt: Prompt | None = None, **limits: float
) -> AsyncIterator[Stage]:
    """A listener with these limits, started and closed."""
    given = dataclasses.replace(ListenerLimits(), **{"share": math.inf, **limits})  # type: ignore[arg-type]  # some are whole
    stage = Stage(handler, given, tls=tls, prompt=prompt)
    await stage.listener.start()
    try:
        yield stage
    finally:
        await stage.close()
