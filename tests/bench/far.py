"""What people feel where a registry is far: the exchanges after one another of a first verification.

The registry answers after `AWAY` seconds. Each image lies in a repository of its own, so that nothing is known of where
its signatures are. The bare counterpart makes the least number of exchanges over a kept connection: three for a
signature behind a `.sig` tag (tag, signature manifest, payload), four for a bundle (tag, referrers, its manifest, it).

    python -m tests.bench.far
"""

from __future__ import annotations

import contextlib
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from router.cli.demo.world import free_port
from tests.bench.gate import ask, ended, exchanges, got, until_open
from tests.bench.neighbours import FAR
from tests.bench.product import served
from tests.bench.table import Row, as_text

AWAY = 0.05


def run() -> Sequence[Row]:
    """A row for each form of signature."""
    with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name:
        folder, port = Path(name), free_port()
        command = [sys.executable, "-m", "tests.bench.neighbours", "registry", str(port), name, str(AWAY)]
        with contextlib.ExitStack() as stack:
            stack.callback(ended, subprocess.Popen(command))
            until_open(port)
            settings = {
                "registries": [{"host": f"127.0.0.1:{port}", "plain_http": True}],
                "verifiers": [{"name": "keys", "kind": "cosign", "keys": [{"name": "k", "file": "release.pub"}]}],
                "policy": [{"pattern": f"127.0.0.1:{port}/**", "verifier": "keys"}],
            }
            place = stack.enter_context(served(folder, settings))
            trusting = ssl._create_unverified_context()  # noqa: S323 - our own certificate, on loopback
            gate = HTTPSConnection("127.0.0.1", place.webhook, context=trusting)
            registry = HTTPConnection("127.0.0.1", port)
            return [
                _row(gate, registry, "legacy", "a signature behind `.sig`", exchanges, 3.2),
                _row(gate, registry, "bundle", "a bundle", _referred, 4.2),
            ]


def _row(
    gate: HTTPSConnection,
    registry: HTTPConnection,
    kind: str,
    what: str,
    bare: Callable[[HTTPConnection, str, str], None],
    most: float,
) -> Row:
    ours, least = [], []
    for number in range(FAR):
        repository = f"far/{kind}{number}"
        began = time.perf_counter()
        ask(gate, [f"127.0.0.1:{registry.port}/{repository}:v1"])
        ours.append((time.perf_counter() - began) / AWAY)
        began = time.perf_counter()
        bare(registry, repository, "v1")
        least.append((time.perf_counter() - began) / AWAY)
    one, two = statistics.median(ours), statistics.median(least)
    name = f"first verification of {what}, registry {AWAY * 1000:.0f} ms away, round trips"
    return Row(name, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}x", f"<= {most}")


def _referred(registry: HTTPConnection, repository: str, tag: str) -> None:
    """The bare exchanges that a bundle needs: tag, referrers, its manifest, it."""
    _, digest = got(registry, f"/v2/{repository}/manifests/{tag}", "HEAD")
    index, _ = got(registry, f"/v2/{repository}/referrers/{digest}")
    manifest, _ = got(registry, f"/v2/{repository}/manifests/{json.loads(index)['manifests'][0]['digest']}")
    got(registry, f"/v2/{repository}/blobs/{json.loads(manifest)['layers'][0]['digest']}")


if __name__ == "__main__":
    print(as_text(run()))
