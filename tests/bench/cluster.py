"""What a large cluster costs: 5,000 namespaces, 20,000 Pods of 500 images, a scripted API server and a registry.

The product looks for labels that are missing, has the findings of a whole scan in its outbox, and judges whether each
namespace is ready. Its memory is the largest of what is seen of all its processes within `SEEN`, beside that of a
product that knows no cluster, in turns. The scan is a process of its own, as in the product; its memory and time are
told, and how often it asked for the signatures of an image: those are its verifications.

    python -m tests.bench.cluster
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.product import PATIENCE, Served, memory, served
from tests.bench.table import Row, as_text
from tests.scanning.stage import controller, pod
from tests.simulators.aside import aside
from tests.simulators.certificates import self_signed
from tests.simulators.kubernetes import Json, KubernetesSimulator
from tests.simulators.registry import RegistrySimulator
from tests.verification.world import DATA

NAMESPACES, PODS, IMAGES = 5_000, 20_000, 500
PODS_OF_A_DEPLOYMENT = 4
ROUNDS = 3
SEEN = 20.0
"""Seconds for which a product is looked at: the first look at readiness is after five."""
FIELDS = "x" * 3000
"""As large as what the API server keeps beside a Pod's specification."""


def fill(api: KubernetesSimulator, registry: RegistrySimulator) -> None:
    """Let it all be there; each Deployment has a namespace of its own."""
    digests = [str(registry.add_image(f"app{number}", "v1", f"image {number}")) for number in range(IMAGES)]
    for number in range(NAMESPACES):
        api.put("/api/v1/namespaces", {"metadata": {"name": f"team-{number}", "labels": {}}})
    for number in range(PODS):
        namespace = number // PODS_OF_A_DEPLOYMENT % NAMESPACES
        image = f"{registry.host}/app{namespace % IMAGES}"
        one: Json = pod(
            f"web-7d4b9c6f55-{number:05}",
            (f"{image}:v1", f"{image}@{digests[namespace % IMAGES]}"),
            namespace=f"team-{namespace}",
            owner=controller("ReplicaSet", "web-7d4b9c6f55"),
            node=f"node-{number % 200}",
            labels={"pod-template-hash": "7d4b9c6f55"},
            managedFields=[{"manager": FIELDS}],
        )
        api.put(f"/api/v1/namespaces/team-{namespace}/pods", one)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RegistrySimulator]:
    """Both, filled; a kubeconfig in the folder leads to the API server."""
    certificate, api, registry = self_signed(), KubernetesSimulator(token="secret"), RegistrySimulator()
    with aside(api.running(certificate.server_context(folder))), aside(registry.running()):
        fill(api, registry)
        (folder / "kubeconfig").write_text(json.dumps(api.kubeconfig(certificate.certificate)))
        yield registry


def settings(registry: RegistrySimulator) -> Mapping[str, object]:
    """Of a product by which every image is asked about."""
    keys = [{"name": "release", "file": str(DATA / "keys" / "release.pub")}]
    return {
        "registries": [{"host": registry.host, "plain_http": True}],
        "verifiers": [{"name": "shop", "kind": "cosign", "keys": keys}],
        "policy": [{"pattern": "**", "verifier": "shop"}],
        "enforcement": {"namespaces": {"team-0": "enforce"}, "label": "gatecrier.dev/mode"},
    }


def cost(folder: Path, some: Mapping[str, object], judged: int) -> tuple[float, float]:
    """Seconds to ready, and MiB at most, until so many namespaces are judged and `SEEN` seconds are over."""
    most = 0.0
    with served(folder, some) as product:
        began = time.monotonic()
        while (so_long := time.monotonic() - began) < SEEN or namespaces(product) != judged:
            if so_long > PATIENCE:
                raise RuntimeError(f"{namespaces(product)} namespaces are judged, and not {judged}")
            most = max(most, memory(product.process))
            time.sleep(0.25)
        return product.seconds, most


def namespaces(product: Served) -> int:
    """How many it has judged, as its metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{product.operations}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("gatecrier_namespaces{")))


def scanned(folder: Path) -> tuple[float, float]:
    """Seconds that a scan takes, and MiB at most."""
    command = [sys.executable, "-m", "router", "scan", "--config", str(folder / "gatecrier.yaml")]
    began, most = time.perf_counter(), 0.0
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"HOSTNAME": "replica-1"}
    ) as process:
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(0.1)
    if process.returncode != 1:
        raise RuntimeError(f"nothing is signed, and the scan ended with {process.returncode}")
    return time.perf_counter() - began, most


def run() -> Sequence[Row]:
    """A scan, then the product with what it has found, beside one that knows no cluster."""
    with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name, running(folder := Path(name)) as registry:
        alone = settings(registry)
        within = {**alone, "kubernetes": {"api": {"kubeconfig": str(folder / "kubeconfig")}}, "scan": {"every": "24h"}}
        with served(folder, within):
            pass
        registry.requests.clear()
        seconds, most = scanned(folder)
        asked = Counter(one for one in registry.requests if "/referrers/" in one)
        figures = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as other:
                figures.append((cost(folder, within, NAMESPACES), cost(Path(other), alone, 0)))
    (ready, there), (bare_ready, bare) = (
        tuple(statistics.median(values) for values in zip(*some, strict=True)) for some in zip(*figures, strict=True)
    )
    exact = "once each" if set(asked.values()) == {1} else f"up to {max(asked.values())} times each"
    return [
        Row(
            "memory in a cluster of 5,000 namespaces and 20,000 Pods",
            f"{there:.0f} MiB",
            f"{bare:.0f} MiB (no cluster)",
            f"+{there - bare:.0f} MiB",
            "< +50 MiB",
        ),
        Row(
            "start to ready in it",
            f"{ready:.2f} s",
            f"{bare_ready:.2f} s (no cluster)",
            f"{ready / bare_ready:.2f}x",
            "not slower",
        ),
        Row(
            "scan of 20,000 Pods of 500 images: verifications",
            f"{sum(asked.values())}, {exact}",
            "",
            f"{seconds:.0f} s, {most:.0f} MiB for that time",
            "500",
        ),
    ]


if __name__ == "__main__":
    print(as_text(run()))
