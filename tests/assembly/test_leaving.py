"""SIGTERM, SIGINT and new clients, on the program as it is started."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import ssl
import sys
import time
from pathlib import Path

import pytest
import yaml

from router.admission.settings import LEAST_DELIVERY, STOPPING, WebhookSettings
from router.errors import ConfigurationError
from router.fields import ListenAddress
from tests.admission.world import pod
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.patience import PATIENCE
from tests.server.stage import Client
from tests.simulators.authorities import Authority, client_context

ROOT = Path(__file__).resolve().parents[2]


def lingering(folder: Path, linger: str) -> Place:
    place = Place(folder)
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": linger})
    return place


def review() -> bytes:
    body = json.dumps(pod("r.example/free/app:1")).encode()
    head = "POST /validate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def limit_of_open_files(process: int) -> str:
    limits = Path(f"/proc/{process}/limits")
    if not limits.exists():
        pytest.skip("only Linux shows the limits of another process")
    return next(line for line in limits.read_text().splitlines() if line.startswith("Max open files"))


async def test_after_sigterm_it_is_unready_and_answers_everybody_once_more(tmp_path: Path) -> None:
    """Endpoints take seconds to change; a kept connection that closes under a request is an error for a user."""
    async with served(lingering(tmp_path, "1500ms")) as program:
        kept = await program.connect()
        first = await kept.ask(review())
        program.process.send_signal(signal.SIGTERM)
        await program.told("router_leaving")
        ready = await program.place.probe("readyz")
        program.process.send_signal(signal.SIGTERM)  # changes nothing
        late = await program.connect()
        second, new = await kept.ask(review()), await late.ask(review())
        await asyncio.gather(kept.close(), late.close())
        code = await asyncio.wait_for(program.process.wait(), PATIENCE)

    assert (first[0], b"connection: close" in first[1]) == (200, False)
    assert [(status, b"connection: close" in head) for status, head, _ in (second, new)] == [(200, True)] * 2
    assert ready[0] == 503
    assert code == 0


async def test_sigint_does_not_linger(tmp_path: Path) -> None:
    """Neither at once nor while SIGTERM lingers: somebody sits at a terminal."""
    for numbers in ([signal.SIGINT], [signal.SIGTERM, signal.SIGINT]):
        async with served(lingering(tmp_path, "15s")) as program:
            began = time.monotonic()
            program.process.send_signal(numbers[0])
            await program.told("router_leaving")
            program.process.send_signal(numbers[-1])
            code = await asyncio.wait_for(program.process.wait(), PATIENCE)
            took = time.monotonic() - began

        assert code == 0
        assert took < 15


@pytest.mark.parametrize(
    "moment",
    [
        "router.assembly.serve = lambda config, **_: tell(signal.SIGHUP) or tell({number})",
        "logs.flush = lambda: tell({number})",
    ],
)
@pytest.mark.parametrize("number", [int(signal.SIGTERM), int(signal.SIGINT)])
async def test_a_signal_before_the_start_or_after_the_end_is_no_failure(moment: str, number: int) -> None:
    """Else who restarts us sees a crash, and who tells us early to read again ends us."""
    code = (
        "import os, signal, sys, router.assembly; from router.cli import main; from router.telemetry import logs;"
        "tell = lambda number: os.kill(os.getpid(), number); router.assembly.serve = lambda config, **_: 0;"
        f"{moment.format(number=number)}; sys.exit(main(['serve']))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    assert await process.wait() == 0


async def test_the_soft_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(256, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
    try:
        async with served(Place(tmp_path)) as program:
            line = limit_of_open_files(program.process.pid)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert line.split()[3:5] == [str(hard), str(hard)]


async def test_clients_that_are_asked_for_from_now_on_hold_from_now_on(tmp_path: Path) -> None:
    place, authority = Place(tmp_path), Authority()
    (tmp_path / "clients.pem").write_bytes(authority.pem)
    settings = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed"}

    async def status(context: ssl.SSLContext) -> int:
        client = Client(*await asyncio.open_connection("127.0.0.1", place.webhook, ssl=context))
        try:
            return (await client.ask(review()))[0]
        except (OSError, EOFError):
            return 0
        finally:
            await client.close()

    async with place.running() as router:
        stranger, friend = client_context(tmp_path), client_context(tmp_path, authority.issue("api-server"))
        before = await status(stranger)
        place.write(webhook=settings | {"clients": {"ca": "clients.pem", "names": ["api-server"]}})
        await router.reload()
        after = [await status(context) for context in (stranger, friend)]
        (tmp_path / "clients.pem").write_bytes(b"")
        await router.reload()  # refused: the old CA stays
        kept = [await status(context) for context in (stranger, friend)]
        (tmp_path / "clients.pem").write_bytes(Authority().pem)
        await router.reload()
        other = [await status(context) for context in (stranger, friend)]

    assert (before, after, kept, other) == (200, [0, 200], [0, 200], [0, 0])


async def test_the_file_of_the_ca_is_watched(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "clients.pem").write_bytes(Authority().pem)
    place.write(
        webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "clients": {"ca": "clients.pem"}}
    )
    async with place.running() as router:
        watched = await router._reloading.reload()

    assert tmp_path / "clients.pem" in watched


async def test_a_start_that_fails_at_its_last_step_cleans_up(tmp_path: Path) -> None:
    """The webhook listens already; it must not go on."""
    place = Place(tmp_path)
    place.write(operations={"listen": f"192.0.2.1:{place.operations}"})
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        async with place.running():
            pass

    with pytest.raises(OSError, match=r"refused|[Cc]onnect"):
        await asyncio.open_connection("127.0.0.1", place.webhook)


@pytest.mark.parametrize(("linger", "deadline"), [(5.0, 8.0), (0.001, 25.0), (20.0, 6.0), (13.0, 13.0)])
def test_all_of_the_end_is_shorter_than_what_kubernetes_waits(linger: float, deadline: float) -> None:
    webhook = WebhookSettings(listen=ListenAddress("", 1), tls="self-signed", linger=linger, deadline=deadline)
    patience = webhook.patience_of_delivery(10.0)

    assert LEAST_DELIVERY <= patience <= 10.0
    assert linger + deadline + patience <= STOPPING < 30


def test_the_shipped_manifest_leaves_the_end_to_the_program() -> None:
    """A preStop sleep delays SIGTERM, and readiness with it."""
    found = yaml.safe_load((ROOT / "config/kubernetes/statefulset.yaml").read_text())["spec"]["template"]["spec"]

    assert "lifecycle" not in found["containers"][0]
    assert found["terminationGracePeriodSeconds"] >= 30
