"""From an empty namespace to one that enforces, in a real cluster: what people do, one after the other, and what comes.

A real API server and its controllers, the chart's own manifests and rights, a registry that answers, and a node that is
played (`node`). The clock is given. What else is shown of the whole in a real cluster:

    who may switch a namespace, and by which right        test_in_a_cluster
    which requests come to which webhook                  test_calls
    a renewed certificate under load                      test_managed
    what was installed before becomes what is now         test_upgrades
    the commands of the documentation                     test_walked
    what becomes of a namespace when all dies             test_the_product, tests/siege/test_detect_in_a_cluster
    a scan that comes by itself                           tests/journeys/test_a_scan_in_a_cluster
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router.images import Digest
from tests.chart.cluster import ADMISSION, RBAC, Answer, Cluster, Json, emptied
from tests.chart.helm import CHART, needs_helm
from tests.chart.leading import options
from tests.chart.node import Node
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, needs_api_server, program
from tests.simulators.registry import DATA, LAYOUTS, RegistrySimulator

pytestmark = [
    needs_helm,
    needs_api_server,
    pytest.mark.skipif(program("kube-controller-manager") is None, reason="no kube-controller-manager: .ci/kube/build"),
]
LABELS = "gatecrier-labels-namespaces"
"""A role: to write labels of namespaces, and nothing that is ours."""
DEPLOYMENTS, CRON_JOBS = "/apis/apps/v1/namespaces/shop/deployments", "/apis/batch/v1/namespaces/shop/cronjobs"
PODS, JOBS = "/api/v1/namespaces/shop/pods", "/apis/batch/v1/namespaces/shop/jobs"
SHOP = "/api/v1/namespaces/shop"
BREAKS = {"gatecrier.dev/break-glass": "INC-4711: rolling back"}
MINUTE, HOUR = 60.0, 3600.0


@dataclass
class Stage:
    """A cluster in which Gatecrier runs, and a registry with an image that is signed and one that is not."""

    made: Cluster
    node: Node
    registry: RegistrySimulator

    def image(self, name: str) -> str:
        """Of this repository, by its tag."""
        return f"{self.registry.host}/{name}:v1"

    def digest(self, name: str) -> Digest:
        """What the tag of the repository points to."""
        return Digest.of(self.registry.manifests[name, "v1"][1])

    async def ask(self, method: str, path: str, body: Json | None = None, user: str | None = None) -> Answer:
        """One request, while all else goes on."""
        return await asyncio.to_thread(lambda: self.made.ask(method, path, body, as_user=user))

    async def must(self, method: str, path: str, body: Json | None = None) -> Json:
        """The same, which has to succeed."""
        return await asyncio.to_thread(self.made.must, method, path, body)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until this, which is asked again and again, holds."""
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)

    async def pods(self, app: str) -> list[Json]:
        """Those with this label that stay."""
        found = (await self.must("GET", f"{PODS}?labelSelector=app%3D{app}"))["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    async def until_run(self, app: str, name: str, count: int = 1) -> None:
        """Wait until there are so many Pods, of this image alone; they run from then on."""

        async def are_there() -> bool:
            images = [one["spec"]["containers"][0]["image"] for one in await self.pods(app)]
            return len(images) == count and all(self.registry.host in one and f"/{name}" in one for one in images)

        await self.until(are_there)
        for one in await self.pods(app):
            state: Json = {"name": "c", "image": self.image(name), "ready": True, "restartCount": 0}
            state |= {"imageID": f"{self.registry.host}/{name}@{self.digest(name)}"}
            status = {"phase": "Running", "containerStatuses": [state]}
            await self.must("PATCH", f"{PODS}/{one['metadata']['name']}/status", {"status": status})

    async def readiness(self) -> tuple[int, Json]:
        """What is said of the namespace, and the code that it ends with."""
        code, text = await self.node.said("gatecrier-0", "readiness", "shop", "--json")
        (found,) = json.loads(text)
        return code, found

    async def until_would_break(self, *owners: str) -> None:
        """Wait until these owners are known to break, and no others."""

        async def are_known() -> bool:
            code, found = await self.readiness()
            return (code == 1) is bool(owners) and sorted(_broken(found)) == sorted(owners)

        await self.until(are_known)

    async def events(self) -> list[Json]:
        """What was told."""
        found: list[Any] = self.node.members["gatecrier-0"].program.place.events
        return [one["data"] for one in found]

    async def kinds(self, *, rejected: bool) -> set[str]:
        """Of what was asked for and refused, or would be."""
        told = [one for one in await self.events() if "request" in one and one["decision"]["would_reject"]]
        outcome = "rejected" if rejected else "admitted"
        return {one["request"]["kind"] for one in told if one["decision"]["outcome"] == outcome}


def _broken(found: Json) -> list[str]:
    return [one["owner"]["name"] for one in found["would_break"]]


def deployment(name: str, image: str, annotations: Json | None = None) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}


def cron_job(image: str) -> Json:
    spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
    template = {"metadata": {"labels": {"app": "nightly"}}, "spec": spec}
    job = {"spec": {"template": template}}
    return {"metadata": {"name": "nightly"}, "spec": {"schedule": "* * * * *", "jobTemplate": job}}


def values(registry: str, authority: str) -> Json:
    """Of a release with one replica, which asks the cluster's API by the chart's own rights."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)
    exemption = {"pattern": f"{registry}/old", "namespaces": ["shop"], "reason": "SEC-1"}
    keys = [{"name": "release", "pem": (DATA / "keys" / "release.pub").read_text()}]
    return {
        "replicas": 1,
        "tls": {"mode": "secret", "secret": {"caBundle": authority}},
        "config": {
            "kubernetes": {"api": "in-cluster", "events": True},
            "enforcement": {"namespaces": {"ledger": "enforce"}},
            "registries": [{"host": registry, "plain_http": True}],
            "verifiers": [{"name": "keys", "kind": "cosign", "keys": keys}],
            "policy": [{"pattern": f"{registry}/*", "verifier": "keys"}],
            "destinations": [{"name": "archive", "kind": "file", "path": "events.jsonl"}],
            "routes": {"destinations": ["archive"], "about": ["decisions", "gatecrier"]},
            "readiness": {"window": "10m"},
            "scan": {"every": "24h"},
            "break_glass": {"allowed": {"users": ["oncall"]}, "for": "1h"},
            "exemptions": [exemption | {"until": until.isoformat(timespec="seconds")}],
        },
    }


@pytest.fixture
async def stage(controlled: ApiServer, tmp_path: Path) -> AsyncIterator[Stage]:
    """Installed, and asked about a namespace that bears no label."""
    made, registry = Cluster(controlled), RegistrySimulator()
    registry.load_layout(LAYOUTS / "bundle-release", "signed")
    for name in ("unsigned", "old"):
        registry.add_image(name, "v1")
    authority = base64.b64encode(controlled.authority.certificate).decode()
    with emptied(made, "shop", "ledger"):
        async with registry.running(), Node.of(made, tmp_path) as node:
            for name in ("gatecrier", "shop"):
                made.namespace(name)
            given = values(registry.host, authority)
            arguments = ("install", "gatecrier", str(CHART), "--values", "-", *options(node.port, authority))
            await asyncio.to_thread(lambda: made.helm(*arguments, values=given))
            await node.until_rolled_out()
            yield Stage(made, node, registry)


async def test_from_watching_to_enforcing_and_away(stage: Stage) -> None:
    await stage.until(lambda: _is_watched(stage))
    stage.node.clock.advance(
        11 * MINUTE
    )  # it was watched for longer than the window: no clock but the time of day says so
    await _watches(stage)
    await _mends(stage)
    await _switches(stage)
    await _enforces(stage)
    await _overrides(stage)
    await stage.must("DELETE", f"{DEPLOYMENTS}/web")
    await asyncio.to_thread(stage.made.helm, "uninstall", "gatecrier")
    assert (await stage.ask("POST", DEPLOYMENTS, deployment("free", stage.image("unsigned")))).status == 201


async def _is_watched(stage: Stage) -> bool:
    _, found = await stage.readiness()
    return found["watched_since"] is not None


async def _watches(stage: Stage) -> None:
    """What would break is let in, whoever makes it of what, told, and known by its owner."""
    bad = stage.image("unsigned")
    watched = await stage.ask("POST", DEPLOYMENTS, deployment("web", bad))
    assert "gatecrier (detect):" in watched.warnings[0]
    await stage.must("POST", CRON_JOBS, cron_job(bad))
    due = {"lastScheduleTime": (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)).isoformat(timespec="seconds")}
    await stage.must("PATCH", f"{CRON_JOBS}/nightly/status", {"status": due})
    await stage.until_run("web", "unsigned")
    await stage.until_run("nightly", "unsigned")

    made = {"Deployment", "ReplicaSet", "CronJob", "Job", "Pod"}

    async def are_told() -> bool:
        return await stage.kinds(rejected=False) == made

    await stage.until(are_told)
    await stage.until_would_break("web", "nightly")
    code, text = await stage.node.said("gatecrier-0", "scan", "--namespace", "shop", "--json")
    assert (code, {one["verdict"] for one in json.loads(text)}) == (1, {"unsigned"})

    async def is_described() -> bool:
        found = (await stage.must("GET", f"{SHOP}/events?fieldSelector=reason%3DImagesWouldBeRejected"))["items"]
        return {"Deployment", "ReplicaSet"} <= {one["involvedObject"]["kind"] for one in found}

    await stage.until(is_described)


async def _mends(stage: Stage) -> None:
    """The namespace is ready once the last of them is mended, and what runs has been scanned since."""
    good = stage.image("signed")
    await stage.must("PATCH", f"{DEPLOYMENTS}/web", deployment("web", good))
    await stage.until_would_break("nightly")
    await stage.must("PATCH", f"{CRON_JOBS}/nightly", cron_job(good) | {"metadata": {}})
    await stage.must("PATCH", f"{CRON_JOBS}/nightly", {"spec": {"suspend": True}})
    await stage.ask("DELETE", JOBS, {"propagationPolicy": "Background"})
    await stage.until_run("web", "signed")

    async def are_gone() -> bool:
        return await stage.pods("nightly") == []

    await stage.until(are_gone)
    await stage.until_would_break()
    code, _ = await stage.node.said("gatecrier-0", "scan")
    assert code == 0
    code, found = await stage.readiness()
    assert (code, found["state"], found["not_known"]) == (0, "ready", [])


async def _switches(stage: Stage) -> None:
    """Who has no right to can't; one that the file alone enforces is named, as soon as it is there."""
    label = {"metadata": {"labels": {"gatecrier.dev/mode": "enforce"}}}
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]}]
    await stage.must("POST", f"{RBAC}/clusterroles", {"metadata": {"name": LABELS}, "rules": rules})
    for role in (LABELS, "gatecrier-set-modes"):
        refused = await stage.ask("PATCH", SHOP, label, user="platform")
        assert refused.status == 403
        await asyncio.to_thread(stage.made.bind, "platform", role)
    assert "ValidatingAdmissionPolicy 'gatecrier-modes'" in refused.message

    async def is_labelled() -> bool:
        return (await stage.ask("PATCH", SHOP, label, user="platform")).status == 200

    await stage.until(is_labelled)
    await asyncio.to_thread(stage.made.namespace, "ledger")
    named = await stage.node.members["gatecrier-0"].program.told("namespaces_unlabelled")
    assert named["namespaces"] == ["ledger"]


async def _enforces(stage: Stage) -> None:
    """What fails is refused at once, and what passes by its tag is pinned by one webhook and let in by the other."""

    async def is_refused() -> bool:
        answer = await stage.ask("POST", f"{DEPLOYMENTS}?dryRun=All", deployment("bad", stage.image("unsigned")))
        return 'admission webhook "enforce.validate.gatecrier.dev" denied the request: ' in answer.message

    await stage.until(is_refused)
    pinned = await stage.must("POST", DEPLOYMENTS, deployment("pinned", stage.image("signed")))
    assert pinned["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f"@{stage.digest('signed')}")
    await stage.until_run("pinned", "signed")


async def _overrides(stage: Stage) -> None:
    """Break-glass and exemptions hold from a Deployment to its Pods, for those who may, and until they end."""
    bad = stage.image("unsigned")
    planted = await stage.ask("POST", DEPLOYMENTS, deployment("planted", stage.image("signed"), BREAKS))
    assert "may not break the glass" in planted.warnings[0]
    await asyncio.to_thread(stage.made.bind, "oncall", "cluster-admin")
    assert (await stage.ask("PATCH", f"{DEPLOYMENTS}/planted", deployment("planted", bad), "oncall")).status == 403
    broken = await stage.ask("POST", DEPLOYMENTS, deployment("broken", bad, BREAKS), "oncall")
    assert "let in by break-glass of oncall" in broken.warnings[0]
    assert (await stage.ask("POST", DEPLOYMENTS, deployment("old", stage.image("old")))).status == 201
    await stage.until_run("broken", "unsigned")
    await stage.until_run("old", "old")
    told = [one for one in await stage.events() if one.get("decision", {}).get("grant")]
    assert {one["request"]["kind"] for one in told} == {"Deployment", "ReplicaSet", "Pod"}
    assert {one["decision"]["severity"] for one in told} == {"critical"}
    assert [one["decision"]["grant"]["is_new"] for one in told].count(True) == 1
    assert "Pod" not in await stage.kinds(rejected=True)

    stage.node.clock.advance(2 * HOUR)
    for app in ("broken", "old"):
        (one,) = await stage.pods(app)
        await stage.must("DELETE", f"{PODS}/{one['metadata']['name']}")

    async def are_refused() -> bool:
        told = [one for one in await stage.events() if one.get("decision", {}).get("outcome") == "rejected"]
        pods = [one["request"] for one in told if one["request"]["kind"] == "Pod"]
        return {one["generate_name"].partition("-")[0] for one in pods} == {"broken", "old"}

    await stage.until(are_refused)
    assert [await stage.pods(app) for app in ("broken", "old")] == [[], []]
    assert (await stage.ask("GET", f"{ADMISSION}/validatingwebhookconfigurations/gatecrier")).status == 200
