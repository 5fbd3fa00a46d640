from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from router.errors import ConfigurationError
from router.fields import ListenAddress
from router.server.listening import Listener
from router.server.operations import Health, operations_application
from tests.server.stage import Facts


async def asked(health: Health, path: str) -> tuple[int, str]:
    async def metrics() -> bytes:
        await asyncio.sleep(0)
        return b"# TYPE gatecrier_requests_total counter"

    application = operations_application(health, metrics)
    async with TestClient(TestServer(application)) as client, client.get(path) as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize(("is_ready", "status"), [(False, 503), (True, 200)])
async def test_readyz_says_whether_requests_are_taken(is_ready: bool, status: int) -> None:  # noqa: FBT001 - a case
    assert (await asked(Health(is_ready=is_ready), "/readyz"))[0] == status


async def test_healthz_fails_only_when_a_restart_is_right() -> None:
    assert (await asked(Health(is_ready=False), "/healthz"))[0] == 200
    assert await asked(Health(failure=lambda: "the outbox's writer ended"), "/healthz") == (
        503,
        "the outbox's writer ended",
    )


async def test_metrics_are_in_prometheus_text() -> None:
    status, text = await asked(Health(), "/metrics")

    assert status == 200
    assert "# TYPE gatecrier_requests_total counter" in text


async def test_who_asks_without_end_for_metrics_takes_no_more_time_than_one() -> None:
    """Writing them out takes milliseconds in which no review is answered."""
    count, began, goes_on = 0, asyncio.Event(), asyncio.Event()

    async def metrics() -> bytes:
        nonlocal count
        count += 1
        began.set()
        await goes_on.wait()
        return b""

    application = operations_application(Health(), metrics)
    async with TestClient(TestServer(application)) as client:
        asking = [asyncio.create_task(client.get("/metrics")) for _ in range(20)]
        await began.wait()
        asking[0].cancel()
        goes_on.set()
        statuses = [(await one).status for one in asking[1:]]

    assert statuses == [200] * 19
    assert count <= 3


async def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationError, match=rf"can't listen on 127\.0\.0\.1:{port}"):
            await Listener(web.Application(), ListenAddress("127.0.0.1", port), Facts()).start()


async def test_a_listener_serves_until_it_is_closed() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = Listener(operations_application(Health(), _nothing), ListenAddress("127.0.0.1", port), Facts())
    await listener.start()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as reply:
        status = reply.status
    await listener.close()

    assert status == 200


async def _nothing() -> bytes:
    return b""
