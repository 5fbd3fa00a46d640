"""Overrides in a real cluster: from a Deployment to its Pods, by the controllers that make them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.outbound.authorities import client_context
from router.tls import show
from tests.assembly.program import served
from tests.assembly.small import Place, tls_files
from tests.simulators.kube_apiserver import ApiServer, needs_api_server, program, started

pytestmark = [
    needs_api_server,
    pytest.mark.skipif(program("kube-controller-manager") is None, reason="no kube-controller-manager, as above"),
]
BAD, FREE, OLD = "r.example/other/app:1", "r.example/free/app:1", "r.example/old/app:1"
DEPLOYMENTS, PODS = "/apis/apps/v1/namespaces/{}/deployments", "/api/v1/namespaces/{}/pods"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
WHY = {"gatecrier.dev/break-glass": "INC-4711: rolling back"}
LASTS = 15
PATIENCE = 60.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with started(tmp_path_factory.mktemp("kube"), has_controllers=True) as made:
        yield made


@contextlib.asynccontextmanager
async def somebody(server: ApiServer, name: str) -> AsyncIterator[Callable[..., Any]]:
    """Who may do everything but what a webhook refuses; asks the API server."""
    context = client_context(server.authority.certificate.decode())
    show(context, server.authority.pair(name, "system:masters"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:

        async def ask(method: str, path: str, body: Json | None = None) -> tuple[int, Json, str]:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            async with session.request(method, server.url + path, json=body, headers={"Content-Type": kind}) as reply:
                return reply.status, await reply.json(), reply.headers.get("Warning", "")

        yield ask


def deployment(name: str, image: str, annotations: Json | None = None) -> Json:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    return {"metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}


def webhook(server: ApiServer, port: int) -> Json:
    rules = [
        {"apiGroups": groups, "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": resources}
        for groups, resources in (([""], ["pods"]), (["apps"], ["deployments", "replicasets"]))
    ]
    authority = base64.b64encode(server.authority.certificate).decode()
    one = {
        "name": "gatecrier.example.com",
        "rules": rules,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/validate", "caBundle": authority},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 5,
    }
    return {"metadata": {"name": "gatecrier"}, "webhooks": [one]}


def place_in(server: ApiServer, folder: Path) -> Place:
    place = Place(folder)
    place.write(
        webhook={
            "listen": f"127.0.0.1:{place.webhook}",
            "tls": tls_files(folder, server.authority.pair("gatecrier")),
            "linger": "100ms",
            "processes": 2,
        },
        enforcement={"default": "enforce", "never_block": ["kube-system"]},
        break_glass={"allowed": {"users": ["oncall"]}, "for": f"{LASTS}s"},
        exemptions=[{"pattern": "r.example/old/*", "namespaces": ["team"], "until": "2999-12-31", "reason": "SEC-1"}],
    )
    return place


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


async def test_from_a_deployment_to_its_pods(server: ApiServer, tmp_path: Path) -> None:
    place = place_in(server, tmp_path)
    async with served(place), somebody(server, "alice") as alice, somebody(server, "oncall") as oncall:
        await alice(
            "POST",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            webhook(server, place.webhook),
        )
        await alice("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
        there = DEPLOYMENTS.format("team")

        async def pods(app: str) -> list[Json]:
            _, found, _ = await alice("GET", f"{PODS.format('team')}?labelSelector=app%3D{app}")
            return [one for one in found["items"] if "deletionTimestamp" not in one["metadata"]]

        async def has_two(app: str) -> bool:
            return len(await pods(app)) == 2

        async def is_refused() -> bool:
            status, _, _ = await alice("POST", f"{there}?dryRun=All", deployment("probe", BAD))
            return bool(status == 403)

        async def refused_pods() -> bool:
            told: list[Any] = [*place.events]
            kinds = [(one["data"]["request"]["kind"], one["data"]["decision"]["outcome"]) for one in told]
            return ("Pod", "rejected") in kinds

        await until(is_refused)
        planted = await alice("POST", there, deployment("planted", FREE, WHY))
        taken = await oncall("PATCH", f"{there}/planted", deployment("planted", BAD))
        exempt = await alice("POST", there, deployment("old", OLD))
        broken = await oncall("POST", there, deployment("web", BAD, WHY))
        began = asyncio.get_running_loop().time()
        await until(lambda: has_two("web"))
        await until(lambda: has_two("old"))
        await until(lambda: has_two("planted"))
        is_early = not await refused_pods()
        await asyncio.sleep(max(0.0, began + LASTS + 0.5 - asyncio.get_running_loop().time()))  # by another's clock
        for one in await pods("web"):
            await alice("DELETE", f"{PODS.format('team')}/{one['metadata']['name']}?gracePeriodSeconds=0")
        await until(refused_pods)
        left = await pods("web")
        told: list[Any] = [*place.events]

    assert planted[0] == 201
    assert "may not break the glass" in planted[2]
    assert taken[0] == 403
    assert (exempt[0], broken[0], is_early, left) == (201, 201, True, [])
    assert "let in by break-glass of oncall" in broken[2]
    by_grant = [one["data"] for one in told if one["data"]["decision"].get("grant")]
    assert {one["request"]["kind"] for one in by_grant} == {"Deployment", "ReplicaSet", "Pod"}
    assert {one["decision"]["severity"] for one in by_grant} == {"critical"}
    assert [one["decision"]["grant"]["is_new"] for one in by_grant].count(True) == 1
