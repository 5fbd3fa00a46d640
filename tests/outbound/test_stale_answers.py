"""An answer that nobody asked for is the answer to nothing: it must not be taken for that to the next request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from yarl import URL

from router.outbound.exchanging import HttpExchanges
from tests.outbound.opening import opened
from tests.patience import PATIENCE
from tests.simulators.sinks import answer

Ask = Callable[[HttpExchanges, str], Awaitable[int]]
TAKEN, REFUSED = answer("200 OK", b"taken"), answer("503 Service Unavailable", b"no")


class Talkative:
    """A receiver that says on the first connection what it was told to, and refuses on every other."""

    def __init__(self, first: bytes = TAKEN) -> None:
        self.first = first
        self.connections = list[asyncio.StreamWriter]()
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Talkative]:
        """Listen."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with server:
            yield self
            for writer in self.connections:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        is_first = len(self.connections) == 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self.first if is_first else REFUSED)


async def by_session(exchanges: HttpExchanges, url: str) -> int:
    """As a client that is general asks."""
    async with exchanges.session.post(url) as reply:
        await reply.read()
        return reply.status


async def by_exchange(exchanges: HttpExchanges, url: str) -> int:
    """As who sends many of a kind asks: in a row, by a connection that is held."""
    exchange = await exchanges.ask("POST", URL(url), b"", {})
    await exchange.content.read()
    exchange.close()
    return exchange.status


async def by_exchange_again(exchanges: HttpExchanges, url: str) -> int:
    """By one that was given back to the session."""
    status = await by_exchange(exchanges, url)
    exchanges.let_go()
    return status


async def until_heard(session: aiohttp.ClientSession) -> None:
    """Wait until what was said on the kept connection has come."""
    connector = session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    async with asyncio.timeout(PATIENCE):
        while True:
            kept = [one for some in connector._conns.values() for one, _ in some]
            if any(one.should_close for one in (*kept, *connector._acquired)):
                return
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("ask", [by_session, by_exchange, by_exchange_again])
async def test_what_comes_unasked_on_a_kept_connection_answers_nothing(ask: Ask) -> None:
    """Else an event counts as delivered that was refused: every answer would be that to the request before."""
    async with Talkative().running() as receiver, opened() as exchanges:
        found = [await ask(exchanges, receiver.url)]
        receiver.connections[0].write(TAKEN)
        await until_heard(exchanges.session)
        found.append(await ask(exchanges, receiver.url))

    assert found == [200, 503]
    assert len(receiver.connections) == 2


@pytest.mark.parametrize("ask", [by_session, by_exchange, by_exchange_again])
async def test_what_is_answered_twice_at_once_answers_one_request(ask: Ask) -> None:
    async with Talkative(TAKEN + TAKEN).running() as receiver, opened() as exchanges:
        found = [await ask(exchanges, receiver.url) for _ in range(2)]

    assert found == [200, 503]
