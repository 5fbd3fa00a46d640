from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from router.outbound.addresses import AddressGuard
from router.outbound.exchanging import HttpExchanges
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import HEAD_LINE_LIMIT, HEADERS_LIMIT, open_session
from tests.simulators.sinks import Sink, answer

LONG = {"X_Long": "a" * (HEAD_LINE_LIMIT + 1)}
MANY = {f"X_{number}": "a" for number in range(HEADERS_LIMIT + 1)}


async def asked(
    url: str, *, times: int = 1, verb: str = "POST", body: bytes = b"{}", headers: dict[str, str] | None = None
) -> list[tuple[int, bytes]]:
    """What comes back: status and body."""
    resolver, found = GuardedResolver(AddressGuard()), list[tuple[int, bytes]]()
    async with open_session(resolver, aiohttp.ClientTimeout(total=30), keep_alive=30.0) as session:
        exchanges = HttpExchanges(session)
        for _ in range(times):
            exchange = await exchanges.ask(verb, URL(url), body, headers or {})
            found.append((exchange.status, await exchange.content.read()))
            exchange.close()
    await resolver.close()
    return found


async def test_a_body_goes_out_and_the_answer_comes_back() -> None:
    async with Sink(answer("202 Accepted", b"taken")).running() as sink:
        found = await asked(sink.url("/a?b=c"), body=b"text", headers={"content-type": "text/plain"})

    (got,) = sink.got
    assert found == [(202, b"taken")]
    assert (got.body, got.headers["content-type"], got.headers["content-length"]) == (b"text", "text/plain", "4")
    assert got.headers["host"] == sink.url("").removeprefix("http://").rstrip("/")
    assert got.headers["accept-encoding"] == "identity"


async def test_connections_are_kept() -> None:
    async with Sink(answer("200 OK", b"ok")).running() as sink:
        await asked(sink.url(), times=3)

    assert sink.connections == 1


async def test_a_connection_that_the_receiver_wants_to_end_is_not_used_again() -> None:
    async with Sink(answer("200 OK", b"ok", Connection="close")).running() as sink:
        found = await asked(sink.url(), times=2)

    assert found == [(200, b"ok")] * 2
    assert sink.connections == 2


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-B: 2"}, {"X-A\n": "1"}, {"X-A": "1\0"}])
async def test_no_header_begins_another(headers: dict[str, str]) -> None:
    async with Sink().running() as sink:
        with pytest.raises(ValueError, match="end of a line"):
            await asked(sink.url(), headers=headers)

    assert sink.got == []


@pytest.mark.parametrize("headers", [LONG, MANY])
async def test_the_head_of_an_answer_is_bounded(headers: dict[str, str]) -> None:
    async with Sink(answer("200 OK", b"", **headers)).running() as sink:
        with pytest.raises(aiohttp.ClientError):
            await asked(sink.url())
