"""A scan that the running product makes by itself: a real API server says what runs, a registry what is signed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.images import Digest
from router.kubernetes.client import Cluster, Json
from router.kubernetes.resources import ApiObject, Resource
from router.scanning.pods import PODS
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.kubernetes.shapes import NAMESPACES, lowest
from tests.kubernetes.test_real_api_server import SERVICE_ACCOUNTS, named
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, needs_api_server
from tests.simulators.registry import RegistrySimulator
from tests.verification.world import DATA

pytestmark = needs_api_server
SHOP = "scanned-by-itself"


async def run(cluster: Cluster, name: str, registry: RegistrySimulator, repository: str) -> None:
    """Have a Pod run an image's tag v1: there is no kubelet that would say so."""
    image = f"{registry.host}/{repository}"
    digest = Digest.of(registry.manifests[repository, "v1"][1])
    status: Json = {
        "phase": "Running",
        "containerStatuses": [
            {"name": "c", "image": f"{image}:v1", "imageID": f"{image}@{digest}", "ready": True, "restartCount": 0}
        ],
    }
    containers: Json = [{"name": "c", "image": f"{image}:v1"}]
    await cluster.create(PODS, {"metadata": {"name": name}, "spec": {"containers": containers}}, SHOP)
    await cluster.patch(Resource("", "v1", f"pods/{name}", ApiObject), "status", {"status": status}, SHOP)


def settings(server: ApiServer, registry: RegistrySimulator) -> dict[str, object]:
    """Of a product that scans this namespace, and has nobody but a file to tell."""
    keys = [{"name": "release", "file": str(DATA / "keys" / "release.pub")}]
    return {
        "kubernetes": {"api": {"kubeconfig": str(server.kubeconfig)}, "events": False},
        "scan": {"namespaces": [SHOP]},
        "registries": [{"host": registry.host, "plain_http": True}],
        "verifiers": [{"name": "shop", "kind": "cosign", "keys": keys}],
        "policy": [{"pattern": "**", "verifier": "shop"}],
        "routes": {"destinations": ["archive"], "about": ["decisions", "scan"]},
    }


async def told(place: Place, count: int) -> dict[str, Any]:
    """What the archive gets of the scan, by owner."""
    async with asyncio.timeout(PATIENCE):
        while len(found := [one for one in place.events if "scan.finding" in str(one["type"])]) < count:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)
    return {one["data"]["workload"]["name"]: one["data"] for one in found}  # type: ignore[index]  # JSON


async def test_what_runs_is_scanned_told_and_kept_while_everything_runs(
    api_server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = RegistrySimulator()
    registry.load_layout(DATA / "layouts" / "bundle-release", "signed")
    registry.add_image("unsigned", "v1")
    async with registry.running(), Cluster(api_server.access(), dice=lowest) as cluster:
        await cluster.create(NAMESPACES, named(SHOP))
        await cluster.create(SERVICE_ACCOUNTS, named("default"), SHOP)
        await run(cluster, "good", registry, "signed")
        await run(cluster, "bad", registry, "unsigned")
        place = Place(tmp_path, **settings(api_server, registry))
        async with served(place, "tests.journeys.hasty_product") as product:
            ended = await product.told("scan_ended")
            findings = await told(place, 2)
            code = await asyncio.to_thread(main, ["readiness", SHOP, "--json", "--config", str(place.config)])
    (one,) = json.loads(capsys.readouterr().out)

    assert ended["found"] == "something would be refused"
    assert {name: data["decision"]["would_reject"] for name, data in findings.items()} == {"good": False, "bad": True}
    assert (code, [broken["owner"]["name"] for broken in one["would_break"]]) == (1, ["bad"])
