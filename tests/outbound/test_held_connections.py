"""Connections that are held between exchanges are in nobody's way."""

from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from router.outbound import exchanging
from router.outbound.exchanging import HttpExchanges
from tests.outbound.opening import opened
from tests.patience import PATIENCE
from tests.simulators.sinks import Sink, answer

OK = answer("200 OK", b"ok")


async def ask(exchanges: HttpExchanges, url: str) -> int:
    async with asyncio.timeout(PATIENCE):
        exchange = await exchanges.ask("POST", URL(url), b"{}", {})
    assert await exchange.content.read() == b"ok"
    exchange.close()
    return exchange.status


def kept(exchanges: HttpExchanges) -> int:
    """Connections that the session has back."""
    connector = exchanges.session.connector
    assert connector is not None
    return sum(map(len, connector._conns.values()))


async def test_who_waits_for_a_connection_gets_the_first_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanging, "HELD", 3600.0)
    async with Sink(OK).running() as sink, opened(connections=2) as exchanges:
        found = await asyncio.gather(*(ask(exchanges, sink.url()) for _ in range(20)))

    assert found == [200] * 20
    assert sink.connections <= 2


async def test_an_exchange_that_is_closed_twice_gives_its_connection_back_once() -> None:
    """An answer that has come whole and was not read to its end is closed by whoever reads and whoever has asked."""
    whole = answer("200 OK", b"a" * 100_000)
    async with Sink(whole).running() as sink, opened() as exchanges:
        exchange = await exchanges.ask("POST", URL(sink.url()), b"{}", {})
        async with asyncio.timeout(PATIENCE):
            while not exchange.content.is_eof():
                await exchange.content.read(1000)
                await asyncio.sleep(0)
        exchange.close()
        exchange.close()
        (way,) = exchanges._ways.values()
        held = len(way._held)

    assert held == 1


async def test_another_receiver_is_asked_where_all_that_may_be_open_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanging, "HELD", 3600.0)
    async with Sink(OK).running() as one, Sink(OK).running() as other, opened(connections=1) as exchanges:
        found = [await ask(exchanges, sink.url()) for sink in (one, other, one, other)]

    assert found == [200] * 4


async def test_what_is_held_goes_back_to_the_session_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which ends it in time; where it is there it is used again."""
    monkeypatch.setattr(exchanging, "HELD", 0.01)
    async with Sink(OK).running() as sink, opened() as exchanges:
        for _ in range(2):
            await ask(exchanges, sink.url())
            async with asyncio.timeout(PATIENCE):
                while not kept(exchanges):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.001)

    assert sink.connections == 1


async def test_no_more_origins_are_remembered_than_there_is_room_for_and_none_holds_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchanging, "_REMEMBERED", 1)
    async with Sink(OK).running() as one, Sink(OK).running() as other, opened() as exchanges:
        first, second = (URL(sink.url()) for sink in (one, other))
        early = await exchanges.ask("POST", first, b"{}", {})
        await ask(exchanges, str(second))
        early.close()  # its place is forgotten meanwhile
        exchanges.let_go()

        assert kept(exchanges) == 2


async def test_where_none_is_kept_none_is_held() -> None:
    async with Sink(OK).running() as sink, opened(keep_alive=None) as exchanges:
        for _ in range(2):
            await ask(exchanges, sink.url())

    assert sink.connections == 2


async def test_one_that_has_ended_while_it_was_held_is_not_used() -> None:
    """What is posted would else fail, though nobody is in trouble."""
    async with Sink(OK).running() as sink, opened() as exchanges:
        await ask(exchanges, sink.url())
        connector = exchanges.session.connector
        assert connector is not None
        (held,) = connector._acquired
        assert held.transport is not None
        held.transport.abort()
        await asyncio.sleep(0)
        await ask(exchanges, sink.url())

    assert sink.connections == 2


async def test_an_exchange_may_end_after_all_is_closed() -> None:
    async with Sink(OK).running() as sink:
        async with opened() as exchanges:
            exchange = await exchanges.ask("POST", URL(sink.url()), b"{}", {})
        exchange.close()

    assert exchanges.session.closed
