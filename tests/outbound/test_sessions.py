from __future__ import annotations

import asyncio

import aiohttp
import pytest

from router.outbound.addresses import AddressGuard
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import HEAD_LINE_LIMIT, HEADERS_LIMIT, _handler, open_session
from tests.simulators.sinks import Sink, answer

LONG = {"X_Long": "a" * (HEAD_LINE_LIMIT + 1)}
MANY = {f"X_{number}": "a" for number in range(HEADERS_LIMIT + 1)}


async def asked(url: str, *, times: int = 1, keep_alive: float | None = 30.0) -> None:
    resolver = GuardedResolver(AddressGuard())
    async with open_session(resolver, aiohttp.ClientTimeout(total=30), keep_alive=keep_alive) as session:
        for _ in range(times):
            async with session.get(url) as reply:
                await reply.read()
    await resolver.close()


@pytest.mark.parametrize("headers", [LONG, MANY])
async def test_the_head_of_an_answer_is_bounded(headers: dict[str, str]) -> None:
    async with Sink(answer("200 OK", b"", **headers)).running() as sink:
        with pytest.raises(aiohttp.ClientError):
            await asked(sink.url())


async def test_nothing_of_an_answer_or_the_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sink(answer("200 OK", Set_Cookie="a=b")).running() as sink, Sink().running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        await asked(sink.url(), times=2)

    assert proxy.got == []
    assert [set(one.headers) & {"cookie", "authorization"} for one in sink.got] == [set(), set()]


@pytest.mark.parametrize(("keep_alive", "connections"), [(30.0, 1), (None, 3)])
async def test_connections_are_kept_where_that_is_said(keep_alive: float | None, connections: int) -> None:
    async with Sink().running() as sink:
        await asked(sink.url(), times=3, keep_alive=keep_alive)

    assert sink.connections == connections


async def test_what_a_receiver_does_not_read_of_a_request_that_is_given_up_is_thrown_away() -> None:
    """Else each attempt would leave its document and a connection behind, until a receiver that never reads does."""

    class Unread(asyncio.Transport):
        """What is to be sent waits as long as nobody reads."""

        def __init__(self, unsent: int) -> None:
            super().__init__()
            self.unsent, self.done = unsent, list[str]()

        def get_write_buffer_size(self) -> int:
            return self.unsent

        def close(self) -> None:
            self.done.append("close")

        def abort(self) -> None:
            self.done.append("abort")

        def is_closing(self) -> bool:
            return bool(self.done)

    done = list[list[str]]()
    for unsent in (0, 1):
        handler, transport = _handler(asyncio.get_running_loop()), Unread(unsent)
        handler.connection_made(transport)
        handler.close()
        done.append(transport.done)

    assert done == [["close"], ["abort"]]
