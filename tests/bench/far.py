"""What people feel where a registry is far: the exchanges after one another of a first verification.

The registry answers after `AWAY` seconds. Each image lies in a repository of its own, so that nothing is known of where
its signatures are. The bare counterpart makes the least number of exchanges over a kept connection: three for a
signature behind a `.sig` tag (tag, signature manifest, payload), four for a bundle (tag, referrers, its manifest, it).
A bundle by an identity has a verifier of its own for each repository, so that nothing of it is remembered either.

    python -m tests.bench.far
"""

from __future__ import annotations

import contextlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from router.cli.demo.world import free_port
from tests.bench.gate import ask, ended, exchanges, referred, until_open
from tests.bench.neighbours import FAR
from tests.bench.product import by_identity, served
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
            place = stack.enter_context(served(folder, _settings(f"127.0.0.1:{port}")))
            trusting = ssl._create_unverified_context()  # noqa: S323 - our own certificate, on loopback
            gate = HTTPSConnection("127.0.0.1", place.webhook, context=trusting)
            registry = HTTPConnection("127.0.0.1", port)
            return [
                _row(gate, registry, "legacy", "a signature behind `.sig`", exchanges, 3.2),
                _row(gate, registry, "bundle", "a bundle", referred, 4.2),
                _row(gate, registry, "identity", "a bundle by an identity", referred, 4.2),
            ]


def _settings(host: str) -> Mapping[str, object]:
    verifiers, rules = by_identity(host)
    keys = {"name": "keys", "kind": "cosign", "keys": [{"name": "k", "file": "release.pub"}]}
    return {
        "registries": [{"host": host, "plain_http": True}],
        "verifiers": [keys, *verifiers],
        "policy": [*rules, {"pattern": f"{host}/**", "verifier": "keys"}],
    }


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


if __name__ == "__main__":
    print(as_text(run()))
