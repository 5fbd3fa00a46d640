"""The gate under load, beside bare counterparts, interleaved in one run. Needs `wrk` (a Debian package)."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from router.cli.demo.world import free_port
from router.server.certificates import self_signed
from tests.bench.neighbours import FAR, IMAGES
from tests.bench.product import by_identity
from tests.bench.table import Row

ROUNDS, SECONDS = 3, 3


def run() -> Sequence[Row]:
    """Warm gate, gate with delivery, cold gate, eight containers."""
    if shutil.which("wrk") is None:
        return [Row("gate", "skipped: wrk is not installed", "", "", "")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatecrier-bench-")))
        place = _Place(folder, stack)
        return [*_cold(place), *_warm(place), _together(place)]


class _Place:
    """Everything that runs, and where."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        certificate, key = self_signed(["127.0.0.1"], dt.datetime.now(dt.UTC))
        (folder / "c.pem").write_bytes(certificate)
        (folder / "k.pem").write_bytes(key)
        pair = [str(folder / "c.pem"), str(folder / "k.pem")]
        self.registry, self.bare, self.relay, self.sink, self.ours, self.operations = (free_port() for _ in range(6))
        neighbours = (
            ["registry", self.registry, folder],
            ["gate", self.bare, *pair],
            ["relay", self.relay, *pair, f"http://127.0.0.1:{self.sink}/"],
            ["sink", self.sink],
        )
        for arguments in neighbours:
            command = [sys.executable, "-m", "tests.bench.neighbours", *map(str, arguments)]
            stack.callback(ended, subprocess.Popen(command))
        until_open(self.registry, self.bare, self.relay, self.sink)
        config = folder / "gatecrier.yaml"
        config.write_text(json.dumps(self._settings()))
        command = [sys.executable, "-m", "router", "serve", "--config", str(config), "--log", "json"]
        self.process = subprocess.Popen(command, stderr=(folder / "log").open("wb"))
        stack.callback(ended, self.process)
        until_open(self.operations, self.ours)
        trusting = ssl._create_unverified_context()  # noqa: S323 - our own certificate, on loopback
        self.to_gate = HTTPSConnection("127.0.0.1", self.ours, context=trusting)
        self.to_registry = HTTPConnection("127.0.0.1", self.registry)
        self.to_sink = HTTPConnection("127.0.0.1", self.sink)

    def _settings(self) -> dict[str, object]:
        host, sink = f"127.0.0.1:{self.registry}", f"http://127.0.0.1:{self.sink}/"
        verifiers, rules = by_identity(host)
        keys = {"name": "keys", "kind": "cosign", "keys": [{"name": "k", "file": "release.pub"}]}
        return {
            "cluster": "bench",
            "webhook": {"listen": f"127.0.0.1:{self.ours}", "tls": {"certificate": "c.pem", "key": "k.pem"}},
            "operations": {"listen": f"127.0.0.1:{self.operations}"},
            "outbox": {"url": "sqlite:///outbox.db"},
            "registries": [{"host": host, "plain_http": True}],
            "verifiers": [keys, *verifiers],
            "policy": [*rules, {"pattern": f"{host}/**", "verifier": "keys"}],
            "egress": {"allow": ["127.0.0.0/8"]},
            "destinations": [
                {"name": "archive", "kind": "file", "path": "events.jsonl"},
                {"name": "sink", "kind": "webhook", "url": sink, "plain_http": True},
            ],
            "routes": {
                "destinations": ["archive"],
                "routes": [{"match": ['request.namespace = "relayed"'], "destinations": ["sink"]}],
            },
        }


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process, and wait for that."""
    process.terminate()
    process.wait(20)


def until_open(*ports: int) -> None:
    """Wait until somebody listens on each of these."""
    for port in ports:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)


def review(images: Sequence[str], namespace: str) -> dict[str, object]:
    """A review of about 5 KB."""
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    pod = {"metadata": {"name": "web", "annotations": {"padding": "x" * 3800}}, "spec": {"containers": containers}}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "name": "web",
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "bench", "groups": []},
        "object": pod,
        "oldObject": None,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _load(place: _Place, port: int, image: str, namespace: str = "elsewhere") -> tuple[float, float, float]:
    """Requests per second, p99 in ms, and CPU of the whole machine in µs per request, 16 connections."""
    asked = review([image], namespace)
    before, after = json.dumps(asked).split(str(asked["request"]["uid"]))  # type: ignore[index]  # JSON
    script = place.folder / "review.lua"
    script.write_text(
        f"local a, b, n, s = [==[{before}]==], [==[{after}]==], 0, '{uuid.uuid4()}'\n"
        'request = function() n = n + 1; return wrk.format("POST", nil, {["Content-Type"]="application/json"}, '
        "a .. s .. n .. b) end\n"
        "done = function(summary, latency) io.write(string.format('P99 %d ERR %d\\n', latency:percentile(99), "
        "summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout)) end\n"
    )
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(script), f"https://127.0.0.1:{port}/validate"]
    began = _busy()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = _busy() - began
    rate, tail, errors = (
        re.search(pattern, told) for pattern in (r"Requests/sec:\s+([\d.]+)", r"P99 (\d+)", r"ERR (\d+)")
    )
    if rate is None or tail is None or errors is None or int(errors[1]):
        raise RuntimeError(f"wrk says: {told}")
    return float(rate[1]), int(tail[1]) / 1000, used / (float(rate[1]) * SECONDS) * 1e6


def _busy() -> float:
    """Seconds that all cores have worked."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / 100


def _warm(place: _Place) -> Sequence[Row]:
    image = f"127.0.0.1:{place.registry}/shop/web@{_digest(place, 'v0')}"
    ours, bare = [], []
    for _ in range(ROUNDS):
        bare.append(_load(place, place.bare, image))
        ours.append(_load(place, place.ours, image))
    rate, tail, cpu = (statistics.median(a[i] / b[i] for a, b in zip(ours, bare, strict=True)) for i in range(3))
    middle = [tuple(statistics.median(round_[i] for round_ in rounds) for i in range(3)) for rounds in (ours, bare)]
    return [
        Row("warm gate, requests/s", f"{middle[0][0]:,.0f}", f"{middle[1][0]:,.0f}", f"{rate:.0%}", ">= 60%"),
        Row("warm gate, p99", f"{middle[0][1]:.1f} ms", f"{middle[1][1]:.1f} ms", f"{tail:.1f}x", "<= 3x"),
        Row("warm gate, CPU per request", f"{middle[0][2]:.0f} µs", f"{middle[1][2]:.0f} µs", f"{cpu:.1f}x", "<= 2x"),
    ]


def _together(place: _Place) -> Row:
    image = f"127.0.0.1:{place.registry}/shop/web@{_digest(place, 'v0')}"
    shares, rates, bares = [], [], []
    for _ in range(ROUNDS):
        bare = _load(place, place.relay, image)[0]
        before, began = _received(place), time.perf_counter()
        admitted = _load(place, place.ours, image, "relayed")[0] * SECONDS
        ended, last = time.perf_counter(), _received(place)
        while last - before < admitted * 0.999 and time.perf_counter() - began < 60:
            time.sleep(0.05)
            ended, last = time.perf_counter(), _received(place)
        rates.append((last - before) / (ended - began))
        bares.append(bare)
        shares.append(rates[-1] / bare)
    ours, others = statistics.median(rates), statistics.median(bares)
    return Row(
        "gate and delivery, events/s", f"{ours:,.0f}", f"{others:,.0f}", f"{statistics.median(shares):.0%}", ">= 60%"
    )


def _cold(place: _Place) -> Sequence[Row]:
    keys = [("shop/web", f"v{number}") for number in range(IMAGES - 10)]
    identities = [(f"far/identity{number}", "v1") for number in range(FAR)]
    return [
        _first(place, "cold gate, a request", keys, exchanges, "<= 1.3x"),
        _first(place, "the same for a bundle by an identity", identities, referred, ""),
        _eight(place),
    ]


def _first(
    place: _Place,
    name: str,
    images: Iterable[tuple[str, str]],
    exchanged: Callable[[HTTPConnection, str, str], None],
    wanted: str,
) -> Row:
    ours, bare = [], []
    for repository, tag in images:
        began = time.perf_counter()
        ask(place.to_gate, [f"127.0.0.1:{place.registry}/{repository}:{tag}"])
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        exchanged(place.to_registry, repository, tag)
        bare.append(time.perf_counter() - began)
    one, least = statistics.median(ours) * 1000, statistics.median(bare) * 1000
    return Row(name, f"{one:.2f} ms", f"{least:.2f} ms", f"{one / least:.2f}x", wanted)


def _eight(place: _Place) -> Row:
    eight, single = [], []
    for number in range(IMAGES - 10, IMAGES, 2):
        began = time.perf_counter()
        ask(place.to_gate, [f"127.0.0.1:{place.registry}/shop/web:v{number}"] * 8)
        eight.append(time.perf_counter() - began)
        began = time.perf_counter()
        ask(place.to_gate, [f"127.0.0.1:{place.registry}/shop/web:v{number + 1}"])
        single.append(time.perf_counter() - began)
    many, alone = statistics.median(eight) * 1000, statistics.median(single) * 1000
    return Row("eight containers of one image", f"{many:.2f} ms", f"{alone:.2f} ms (one)", f"{many / alone:.2f}x", "1x")


def ask(gate: HTTPSConnection, images: Sequence[str]) -> None:
    """Have a Pod with these images admitted; raises RuntimeError where it is not, or with a warning."""
    body = json.dumps(review(images, "elsewhere")).encode()
    gate.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
    answer = json.loads(gate.getresponse().read())["response"]
    if not answer["allowed"] or answer.get("warnings"):
        raise RuntimeError(f"the image did not verify: {answer}")


def got(connection: HTTPConnection, path: str, method: str = "GET") -> tuple[bytes, str]:
    """Body and digest of an answer of a registry."""
    connection.request(method, path)
    reply = connection.getresponse()
    return reply.read(), reply.headers.get("Docker-Content-Digest", "")


def referred(registry: HTTPConnection, repository: str, tag: str) -> None:
    """The bare exchanges that a bundle needs: tag, referrers, its manifest, it."""
    _, digest = got(registry, f"/v2/{repository}/manifests/{tag}", "HEAD")
    index, _ = got(registry, f"/v2/{repository}/referrers/{digest}")
    manifest, _ = got(registry, f"/v2/{repository}/manifests/{json.loads(index)['manifests'][0]['digest']}")
    got(registry, f"/v2/{repository}/blobs/{json.loads(manifest)['layers'][0]['digest']}")


def _digest(place: _Place, tag: str) -> str:
    return got(place.to_registry, f"/v2/shop/web/manifests/{tag}", "HEAD")[1]


def exchanges(registry: HTTPConnection, repository: str, tag: str) -> None:
    """The bare exchanges that one cold verification needs: tag, signature manifest, payload."""
    _, digest = got(registry, f"/v2/{repository}/manifests/{tag}", "HEAD")
    manifest, _ = got(registry, f"/v2/{repository}/manifests/{digest.replace(':', '-')}.sig")
    got(registry, f"/v2/{repository}/blobs/{json.loads(manifest)['layers'][0]['digest']}")


def _received(place: _Place) -> int:
    return int(got(place.to_sink, "/")[0])
