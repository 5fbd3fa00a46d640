"""What was installed before becomes what is installed now, by the roads of docs/upkeep.md, while requests go on.

A real API server, real controllers that replace the Pods, kubectl and Helm as people run them, and a node that is
played (`node`). What is older is frozen in tests/data/upgrades. What runs in the Pods is of today from the beginning:
both roads bring the image first.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from tests.chart.asking import Asking, Case, Fate, going_on, session
from tests.chart.cluster import CLUSTER_WIDE, Cluster, Json, emptied, until
from tests.chart.helm import CHART, ROOT, needs_helm
from tests.chart.leading import led, options
from tests.chart.node import SET, Node
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, needs_api_server, program

pytestmark = [
    needs_helm,
    needs_api_server,
    pytest.mark.skipif(program("kube-controller-manager") is None, reason="no kube-controller-manager: .ci/kube/build"),
    pytest.mark.skipif(
        shutil.which("kubectl") is None, reason="no kubectl (Debian: apt-get install kubernetes-client)"
    ),
]
BEFORE = ROOT / "tests/data/upgrades/before-the-chart"
FIRST = ROOT / "tests/data/upgrades/first-chart"
BASE = ROOT / "config/kubernetes"
DIGEST = f"sha256:{'a' * 64}"
GOOD, BAD = f"registry.k8s.io/pause@{DIGEST}", f"registry.example/shop/web@{DIGEST}"
CASES = [Case("payments", GOOD, Fate.LET_IN), Case("shop", BAD, Fate.WARNED), Case("payments", BAD, Fate.REFUSED)]
"""The file enforces in `payments`; no namespace has a label, which nobody knew."""
RATE = 20.0
POLICY = [{"pattern": "registry.k8s.io/**", "verifier": "allow"}, {"pattern": "**", "verifier": "deny"}]
ENFORCEMENT: Json = {"default": "detect", "namespaces": {"payments": "enforce"}}
NAMES = ["enforce.validate.gatecrier.dev", "detect.validate.gatecrier.dev", "modes.gatecrier.dev"]
SECRETS = "/api/v1/namespaces/gatecrier/secrets"
CLAIMS = "/api/v1/namespaces/gatecrier/persistentvolumeclaims"


class Desk:
    """Somebody who installs and upgrades."""

    def __init__(self, made: Cluster, folder: Path, port: int) -> None:
        self.made = made
        self._folder = folder
        self._port = port
        self._authority = base64.b64encode(made.server.authority.certificate).decode()

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run it; returns what it says."""
        command = ["kubectl", "--kubeconfig", str(self.made.server.kubeconfig), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def helm(self, *arguments: str, chart: Path = CHART) -> str:
        """Install or upgrade a chart with this policy and enforcement; what it makes leads to the node."""
        values: Json = {
            "image": {"repository": "registry.example/gatecrier"},
            "secretName": "gatecrier-secrets",
            "tls": {"mode": "secret", "secret": {"caBundle": self._authority}},
            "config": {"policy": POLICY, "enforcement": ENFORCEMENT},
        }
        verb, *others = arguments
        leading = options(self._port, self._authority)
        return self.made.helm(verb, "gatecrier", str(chart), "--values", "-", *leading, *others, values=values)

    def apply(self, base: Path, config: Json) -> None:
        """`kubectl apply -k` of a base with a configuration of one's own, as docs/installation.md says."""
        overlay = self._folder / f"over-{base.name}"
        overlay.mkdir()
        shutil.copytree(base, overlay / "base")
        (overlay / "gatecrier.yaml").write_text(yaml.safe_dump(config))
        generated = {"name": "gatecrier-config", "behavior": "replace", "files": ["gatecrier.yaml"]}
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "gatecrier",
            "resources": ["base"],
            "configMapGenerator": [generated],
            "generatorOptions": {"disableNameSuffixHash": True},
        }
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(document))
        manifests = led(self.kubectl("kustomize", str(overlay)), self._port, self._authority)
        self.kubectl("apply", "--filename", "-", given=manifests)


def configured(base: Path) -> Json:
    """The base's configuration, edited as its users do: their policy, their enforcement, nobody to tell."""
    config: Json = yaml.safe_load((base / "gatecrier.yaml").read_text())
    for key in ("verifiers", "destinations", "routes"):
        del config[key]
    return config | {"policy": POLICY, "enforcement": config["enforcement"] | ENFORCEMENT}


@contextlib.asynccontextmanager
async def site(server: ApiServer, folder: Path) -> AsyncIterator[tuple[Desk, Node]]:
    """A cluster with two namespaces of others, and nothing of ours, before and after."""
    made = Cluster(server)
    made.define()
    with emptied(made, "payments", "shop"):
        async with Node.of(made, folder) as node:
            for name in ("payments", "shop"):
                made.namespace(name)
            yield Desk(made, folder, node.port), node


@contextlib.asynccontextmanager
async def while_asked(desk: Desk) -> AsyncIterator[Asking]:
    """Requests go on, once each of them has its fate."""
    async with session(desk.made) as opened:
        probe = Asking(opened, desk.made.server.url, CASES)
        await _until_right(probe)
        asking = Asking(opened, desk.made.server.url, CASES)
        async with going_on(asyncio.create_task(asking.at(RATE, is_dry=False))):
            yield asking
            enough = asking.answered + len(CASES) * 5
            while asking.answered < enough:  # noqa: ASYNC110 - what is in force by now is asked with, too
                await asyncio.sleep(0.1)


async def _until_right(probe: Asking) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            before = len(probe.wrong)
            await probe.each()
            if len(probe.wrong) == before:
                return
            await asyncio.sleep(0.1)


async def done(act: Callable[..., object], *arguments: object) -> None:
    """Do this beside all else."""
    await asyncio.to_thread(act, *arguments)


def claims(made: Cluster) -> dict[str, str]:
    """Volumes' claims and their uids: one that was made anew is empty."""
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in made.must("GET", CLAIMS)["items"]}


def webhooks(made: Cluster) -> dict[str, list[str]]:
    """Names of all webhooks that there are, by their configurations."""
    return {
        f"{path.rpartition('/')[2]}/{one['metadata']['name']}": [webhook["name"] for webhook in one.get("webhooks", [])]
        for path in CLUSTER_WIDE[:2]
        for one in made.must("GET", path)["items"]
    }


def check(desk: Desk, node: Node, kept: dict[str, str], uid: str) -> None:
    """What there must be afterwards, and what not; nobody answers any more in the end."""
    made = desk.made
    assert claims(made) == kept
    assert made.must("GET", SET)["metadata"]["uid"] == uid
    assert {name: sorted(found) for name, found in webhooks(made).items()} == {
        "validatingwebhookconfigurations/gatecrier": sorted(NAMES),
        "mutatingwebhookconfigurations/gatecrier": ["detect.mutate.gatecrier.dev", "enforce.mutate.gatecrier.dev"],
    }
    # Whoever then gives the namespace its label is refused by the other webhook, also while nobody answers.
    node.fall_silent()
    made.must("PATCH", "/api/v1/namespaces/payments", {"metadata": {"labels": {"gatecrier.dev/mode": "enforce"}}})
    bad = {"metadata": {"name": "bad"}, "spec": {"containers": [{"name": "web", "image": BAD}]}}
    until(lambda: NAMES[0] in made.ask("POST", "/api/v1/namespaces/payments/pods?dryRun=All", bad).message)


async def test_manifests_of_before_the_chart_become_its_base_and_then_its_release(
    controlled: ApiServer, tmp_path: Path
) -> None:
    async with site(controlled, tmp_path) as (desk, node):
        await done(desk.apply, BEFORE, configured(BEFORE))
        await node.until_rolled_out()
        uid, kept = desk.made.must("GET", SET)["metadata"]["uid"], claims(desk.made)
        async with while_asked(desk) as asking:
            await done(desk.apply, BASE, configured(BASE))
            await node.until_rolled_out()
            await done(desk.helm, "install", "--take-ownership")
            await node.until_rolled_out()

        assert asking.wrong[:5] == []
        assert set(kept) == {"outbox-gatecrier-0", "outbox-gatecrier-1"}
        assert node.replaced == ["gatecrier-1", "gatecrier-0"]
        await done(check, desk, node, kept, uid)


async def test_the_first_chart_becomes_the_one_of_now(controlled: ApiServer, tmp_path: Path) -> None:
    async with site(controlled, tmp_path) as (desk, node):
        desk.made.namespace("gatecrier", **{"pod-security.kubernetes.io/enforce": "restricted"})
        await done(lambda: desk.helm("install", chart=FIRST))
        await node.until_rolled_out()
        uid, kept = desk.made.must("GET", SET)["metadata"]["uid"], claims(desk.made)
        async with while_asked(desk) as asking:
            await done(desk.helm, "upgrade")
            await node.until_rolled_out()

        assert asking.wrong[:5] == []
        assert set(kept) == {"outbox-gatecrier-0", "outbox-gatecrier-1"}
        assert node.replaced == ["gatecrier-1", "gatecrier-0"]
        await done(check, desk, node, kept, uid)


def test_a_secret_that_is_not_helms_is_not_taken_for_a_managed_one(controlled: ApiServer, tmp_path: Path) -> None:
    """It is refused before anything is changed, and done when the Secret is out of the way, as docs/cluster.md says."""
    made = Cluster(controlled)
    made.define()
    with emptied(made):
        desk = Desk(made, tmp_path, 1)
        made.namespace("gatecrier")
        secret = {"metadata": {"name": "gatecrier-tls"}, "type": "kubernetes.io/tls"}
        made.must("POST", SECRETS, secret | {"data": {"tls.crt": "YQ==", "tls.key": "YQ=="}})
        desk.helm("install")
        before = made.must("GET", SET)["metadata"]["generation"]
        with pytest.raises(AssertionError, match=r"gatecrier-tls.* exists and cannot be imported"):
            desk.helm("upgrade", "--set", "tls.mode=managed")
        assert made.must("GET", SET)["metadata"]["generation"] == before

        made.must("DELETE", f"{SECRETS}/gatecrier-tls")
        desk.helm("upgrade", "--set", "tls.mode=managed")
        assert made.must("GET", f"{SECRETS}/gatecrier-tls")["type"] == "Opaque"
