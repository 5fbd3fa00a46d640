from __future__ import annotations

import asyncio
import socket
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from router.errors import ConfigurationError
from router.fields import ListenAddress
from router.server.listening import Listener
from router.server.operations import Health, Unhealthy, Unready, operations_application, unready
from tests.server.stage import Facts


async def asked(health: Health, path: str) -> tuple[int, str]:
    async def metrics() -> bytes:
        await asyncio.sleep(0)
        return b"# TYPE gatecrier_requests_total counter"

    application = operations_application(health, metrics)
    async with TestClient(TestServer(application)) as client, client.get(path) as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize("reason", Unready)
async def test_readyz_says_why_requests_should_go_elsewhere(reason: Unready) -> None:
    assert await asked(Health(unready=reason), "/readyz") == (503, f"{reason.value}\n")
    assert await asked(Health(unready=None), "/readyz") == (200, "ready\n")


@pytest.mark.parametrize(
    ("phase", "has_keeper", "has_gate", "is_hopeless", "reason"),
    [
        (None, True, True, False, None),
        (Unready.STARTING, False, False, False, Unready.STARTING),
        (Unready.LEAVING, True, True, True, Unready.LEAVING),
        (None, False, False, True, Unready.NO_KEEPER),
        (None, True, False, True, Unready.NO_GATE),
        (None, True, True, True, Unready.RESTARTING),
    ],
)
def test_the_first_reason_that_holds_is_told(
    phase: Unready | None,
    has_keeper: bool,  # noqa: FBT001 - a case
    has_gate: bool,  # noqa: FBT001 - the same
    is_hopeless: bool,  # noqa: FBT001 - the same
    reason: Unready | None,
) -> None:
    assert unready(phase, has_keeper=has_keeper, has_gate=has_gate, is_hopeless=is_hopeless) is reason


def test_without_a_certificate_nobody_can_come() -> None:
    found = unready(None, has_keeper=True, has_gate=True, is_hopeless=True, has_certificate=False)

    assert found is Unready.NO_CERTIFICATE


async def test_healthz_fails_only_when_a_restart_is_right() -> None:
    assert await asked(Health(unready=Unready.NO_KEEPER), "/healthz") == (200, "ok\n")
    for reason in Unhealthy:
        assert await asked(Health(failure=partial(Unhealthy, reason)), "/healthz") == (503, f"{reason.value}\n")


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
