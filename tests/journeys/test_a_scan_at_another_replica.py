"""A scan that is asked for at one replica is kept and told by the collector, also where it is away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from router.cli.demo.world import free_port
from router.images import Digest
from tests.assembly.program import served
from tests.assembly.small import Place, tls_files
from tests.patience import PATIENCE
from tests.replicas.stage import SHARED
from tests.scanning.stage import pod
from tests.simulators.certificates import self_signed
from tests.simulators.kubernetes import KubernetesSimulator
from tests.simulators.registry import RegistrySimulator
from tests.verification.world import DATA

OWNERS = 60
"""Of more findings than one portion has."""


def place_of(folder: Path, collector: int, registry: RegistrySimulator, routes: object) -> Place:
    """A replica's folder; what differs between them are the routes."""
    folder.mkdir()
    place = Place(
        folder,
        kubernetes={"api": {"kubeconfig": str(folder.parent / "kubeconfig")}, "events": False},
        registries=[{"host": registry.host, "plain_http": True}],
        verifiers=[
            {"name": "shop", "kind": "cosign", "keys": [{"name": "r", "file": str(DATA / "keys" / "release.pub")}]}
        ],
        policy=[{"pattern": "**", "verifier": "shop"}],
        routes=routes,
        incidents={"collector": f"localhost:{collector}"},
    )
    tls = tls_files(folder, SHARED)
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": tls, "linger": "100ms", "processes": 1})
    return place


def run(api: KubernetesSimulator, registry: RegistrySimulator) -> None:
    """Have one good and many bad owners run, in two namespaces."""
    for name, repository, namespace in [
        ("good", "signed", "office"),
        *((f"bad-{number}", "unsigned", "shop") for number in range(OWNERS)),
    ]:
        image = f"{registry.host}/{repository}"
        digest = Digest.of(registry.manifests[repository, "v1"][1])
        one = pod(name, (f"{image}:v1", f"{image}@{digest}"), namespace=namespace)
        api.put(f"/api/v1/namespaces/{namespace}/pods", one)


async def begun(place: Place, *arguments: str) -> asyncio.subprocess.Process:
    """A command that is asked at the other replica."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", *arguments, "--config", str(place.config),
        env=os.environ | {"HOSTNAME": "gatecrier-1"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def asked(place: Place, *arguments: str) -> tuple[int | None, str, str]:
    """What it ends with and says."""
    process = await begun(place, *arguments)
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def told(place: Place, count: int) -> list[dict[str, Any]]:
    """What the archive of a replica has got, once that is so much."""
    async with asyncio.timeout(PATIENCE):
        while len(place.events) < count:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)
    return place.events


async def watched(place: Place, namespace: str) -> dict[str, Any]:
    """What is known of a namespace, once it is known that somebody watches: a scan of before says nothing."""
    async with asyncio.timeout(PATIENCE):
        while True:
            (found,) = json.loads((await asked(place, "readiness", namespace, "--json"))[1])
            if found["watched_since"] is not None:
                return dict(found)


async def test_what_is_scanned_at_one_replica_is_kept_and_told_by_the_collector(tmp_path: Path) -> None:
    certificate = self_signed()
    api, registry = KubernetesSimulator(token="secret"), RegistrySimulator()
    registry.load_layout(DATA / "layouts" / "bundle-release", "signed")
    registry.add_image("unsigned", "v1")
    run(api, registry)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(api.running(certificate.server_context(tmp_path)))
        await stack.enter_async_context(registry.running())
        (tmp_path / "kubeconfig").write_text(json.dumps(api.kubeconfig(certificate.certificate)))
        port = free_port()
        about = {"destinations": ["archive"], "about": ["scan"]}
        first = place_of(tmp_path / "first", port, registry, about)
        second = place_of(tmp_path / "second", port, registry, {"destinations": ["archive"]})
        await stack.enter_async_context(served(second, HOSTNAME="gatecrier-1"))
        async with served(first, HOSTNAME="localhost"):
            code, listed, complaints = await asked(second, "scan", "--json")
            findings = await told(first, OWNERS + 1)
            shop = await watched(second, "shop")
        waiting = await begun(second, "scan")
        assert waiting.stderr is not None
        while not (await waiting.stderr.readline()).endswith(b"; trying again\n"):  # how far it is may be told before
            assert not waiting.stderr.at_eof()
        async with served(first, HOSTNAME="localhost"):
            await waiting.communicate()
            twice, office = await watched(second, "shop"), await watched(second, "office")

    assert (code, len(json.loads(listed)), "kept" in complaints) == (1, OWNERS + 1, False)
    assert {one["type"] for one in findings} == {"dev.gatecrier.scan.finding.v1"}
    assert {one["data"]["replica"] for one in findings} == {"gatecrier-1"}
    assert (shop["state"], len(shop["would_break"])) == ("not_ready", OWNERS)
    assert "not_scanned" not in {one["code"] for one in office["not_known"]}
    assert second.events == []
    assert waiting.returncode == 1
    assert [one["times"] for one in twice["would_break"]] == [2] * OWNERS
