"""A registry that is down, slow, lying or endless: detect admits with a warning, enforce refuses with the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from router.admission.request_context import Times
from tests.admission import recorded
from tests.admission.world import pod
from tests.assembly.small import Place
from tests.patience import PATIENCE
from tests.simulators.registry import DATA, LAYOUTS, RegistrySimulator, endless, half_a_body, hang, no_http, nothing

KEY = {"name": "keys", "kind": "cosign", "keys": [{"name": "release", "file": str(DATA / "keys" / "release.pub")}]}


def place_at(folder: Path, *registries: RegistrySimulator, deadline: str = "800ms") -> Place:
    place = Place(
        folder,
        enforcement={"namespaces": {"strict": "enforce"}},
        registries=[{"host": registry.host, "plain_http": True} for registry in registries],
        verifiers=[KEY],
        policy=[{"pattern": f"{registry.host}/**", "verifier": "keys"} for registry in registries],
    )
    listen = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "deadline": deadline}
    place.write(webhook=listen)
    return place


def lies(_: web.Request) -> web.Response:
    """Other bytes than those of the digest that was asked for."""
    digest = "sha256:" + "0" * 64
    kind = "application/vnd.oci.image.manifest.v1+json"
    return web.Response(body=b'{"schemaVersion":2}', headers={"Docker-Content-Digest": digest, "Content-Type": kind})


TROUBLES: list[tuple[str, Callable[[web.Request], object], set[str]]] = [
    ("503", lambda _: web.Response(status=503), {"unreachable"}),
    ("429", lambda _: web.Response(status=429, headers={"Retry-After": "60"}), {"rate_limited"}),
    ("401", lambda _: web.Response(status=401), {"unauthorised", "malformed_answer"}),
    ("404", lambda _: web.Response(status=404), {"not_found"}),
    ("hangs", hang, {"timeout"}),
    ("closes", nothing, {"unreachable"}),
    ("no HTTP", no_http, {"malformed_answer", "unreachable"}),
    ("half a body", half_a_body, {"malformed_answer", "unreachable", "timeout"}),
    ("endless", endless, {"too_large", "malformed_answer", "timeout", "unreachable"}),
    ("lies", lies, {"malformed_answer"}),
]


@pytest.mark.parametrize(("fault", "reasons"), [case[1:] for case in TROUBLES], ids=[case[0] for case in TROUBLES])
async def test_trouble_is_told_apart_and_never_an_http_error(
    tmp_path: Path, fault: Callable[[web.Request], object], reasons: set[str]
) -> None:
    async with RegistrySimulator().running() as registry:
        registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        place = place_at(tmp_path, registry)
        registry.fault = fault  # type: ignore[assignment]  # the union of what faults may return
        async with place.running():
            watched, refused = await asyncio.gather(
                place.ask(f"{registry.host}/shop/web:v1", namespace="elsewhere"),
                place.ask(f"{registry.host}/shop/web:v1"),
            )
            (event, *_) = await place.until_archived(1)

    assert watched["allowed"] is True
    assert str(watched["warnings"][0]).startswith("gatecrier (detect):")  # type: ignore[index]  # JSON
    assert refused["allowed"] is False
    image = event["data"]["images"][0]  # type: ignore[index]  # JSON
    assert image["verdict"] == "unverifiable"
    assert image["reason"] in reasons


async def test_an_outage_is_not_remembered(tmp_path: Path) -> None:
    async with RegistrySimulator().running() as registry:
        registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        place = place_at(tmp_path, registry)
        async with place.running():
            registry.fault = lambda _: web.Response(status=503)
            down = await place.ask(f"{registry.host}/shop/web:v1")
            registry.fault = None
            up = await place.ask(f"{registry.host}/shop/web:v1")

    assert (down["allowed"], up["allowed"]) == (False, True)


async def test_a_thousand_requests_at_a_hanging_registry_do_not_hold_healthy_ones(tmp_path: Path) -> None:
    """Each waits within its own deadline; nothing that a dead host can use up is shared."""
    async with RegistrySimulator().running() as dead, RegistrySimulator().running() as healthy:
        for registry in (dead, healthy):
            registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        place = place_at(tmp_path, dead, healthy, deadline="20s")
        async with place.running() as router:
            dead.fault = hang
            gate, loop = router.gate._gate, asyncio.get_running_loop()
            assert gate is not None
            body = json.dumps(pod(f"{dead.host}/shop/web:v1")).encode()
            times = Times(loop.time(), loop.time() + 30, loop.time() + 31)
            request = await gate.read(gate.rules, *recorded.read(body), times)
            held = [asyncio.create_task(gate.validate(request)) for _ in range(1000)]
            await _until(lambda: bool(dead.requests))
            beside = [await place.ask(f"{healthy.host}/shop/web:v1") for _ in range(20)]
            are_held = not any(task.done() for task in held)
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)

    assert are_held
    assert all(answer["allowed"] for answer in beside)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - the simulator counts requests and tells nobody
            await asyncio.sleep(0.005)
