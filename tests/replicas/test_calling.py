"""Who has asked the collector has an answer, also where what we show is renewed meanwhile."""

from __future__ import annotations

import asyncio

from aiohttp import web

from router.cli.demo.world import free_port
from router.fields import ListenAddress
from router.replicas.calling import Calling
from tests.patience import PATIENCE
from tests.replicas.stage import known_by


async def test_it_is_closed_when_those_who_have_asked_have_an_answer() -> None:
    """A reload cut their connections, and cancelled who waited for one as if he had given up."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        await may_answer.wait()
        return web.Response(body=b"answer")

    application, address = web.Application(), ListenAddress("127.0.0.1", free_port())
    application.add_routes([web.post("/", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, address.host, address.port, ssl_context=known_by().serving()).start()
    calling = Calling(address, known_by(), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        asking = [asyncio.create_task(calling.ask("/", b"")) for _ in range(3)]
        await asked.wait()  # one is asked, and the others wait for its connection
        closing = asyncio.create_task(calling.close())
        for _ in range(10):
            await asyncio.sleep(0)
        may_answer.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        await closing
    await runner.cleanup()

    assert found == [b"answer"] * 3
