"""How a listener ends: nobody who asked is left without an answer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from router.cli.demo.world import free_port
from router.errors import ConfigurationError
from router.fields import ListenAddress
from router.server.sockets import listening_sockets
from tests.server.stage import Play, listening
from tests.server.test_connections import POST, Judging


def test_while_leaving_everybody_is_answered_for_the_last_time(play: Play) -> None:
    """On connections that are kept, and on new ones."""

    async def story() -> list[tuple[int, bool, bytes]]:
        async with listening() as stage:
            kept = await stage.connect()
            await kept.ask()
            stage.listener.say_goodbye()
            answers = []
            for client in (kept, await stage.connect()):
                status, head, _ = await client.ask()
                answers.append((status, b"connection: close" in head, await client.end()))
            return answers

    assert play(story()) == [(200, True, b"")] * 2


def test_what_is_not_found_is_a_last_answer_too(play: Play) -> None:
    async def story() -> bool:
        async with listening() as stage:
            stage.listener.say_goodbye()
            client = await stage.connect()
            _, head, _ = await client.ask(b"GET /%00 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            return b"keep-alive" in head

    assert play(story()) is False


def test_a_request_in_hand_is_answered_before_the_end(play: Play) -> None:
    async def story() -> tuple[int, bytes]:
        judging = Judging()
        async with listening(judging.answer) as stage:
            client, silent = await stage.connect(), await stage.connect()
            client.writer.write(POST % 0)
            await judging.began.wait()
            closing = asyncio.create_task(stage.listener.close(10.0))
            gone = await silent.end()
            judging.goes_on.set()
            status, _, _ = await client.answer()
            await closing
            return status, gone

    assert play(story()) == (200, b"")


def test_a_request_that_never_ends_does_not_keep_it(play: Play) -> None:
    async def story() -> bool:
        judging = Judging()
        async with listening(judging.answer, hesitation=0.01) as stage:
            client = await stage.connect()
            client.writer.write(POST % 0)
            await judging.began.wait()
            await stage.listener.close(0.05)
            return judging.cancelled.is_set()

    assert play(story()) is True


def test_the_end_waits_for_what_a_cancelled_handler_still_does(play: Play) -> None:
    """It may be telling that nobody was answered."""

    async def story() -> bool:
        told = asyncio.Event()
        began = asyncio.Event()

        async def handler(_: object) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.1)
                told.set()

        async with listening(handler) as stage:  # type: ignore[arg-type]  # it never answers
            client = await stage.connect()
            client.writer.write(POST % 0)
            await began.wait()
            await client.close()
            await stage.listener.close(5.0)
            return told.is_set()

    assert play(story()) is True


def test_half_a_head_does_not_keep_it(play: Play) -> None:
    async def story() -> bytes:
        async with listening(hesitation=0.01) as stage:
            client = await stage.connect()
            client.writer.write(b"POST /val")
            await stage.until(lambda: any(one.is_midway for one in stage.listener.connections))
            await stage.listener.close(10.0)
            return await client.end()

    assert play(story()) == b""


def test_handshakes_do_not_keep_it(play: Play) -> None:
    async def story() -> bytes:
        async with listening() as stage:
            client = await stage.come()
            await stage.until(lambda: stage.listener.connections.counts()["handshake"] == 1)
            await stage.listener.close(10.0)
            return await client.end()

    assert play(story()) == b""


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost"])
async def test_an_address_is_all_that_it_means(host: str) -> None:
    """An empty host is both families, where the machine has both."""
    port = free_port()
    found = await listening_sockets(ListenAddress(host, port))
    with socket.create_connection(("127.0.0.1", port)):
        families = {one.family for one in found}
    for one in found:
        one.close()

    assert socket.AF_INET in families
    assert len(found) == len(families)


async def test_a_name_that_leads_nowhere_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"can't listen on 192\.0\.2\.1:"):
        await listening_sockets(ListenAddress("192.0.2.1", 4444))
