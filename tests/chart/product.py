"""Gatecrier itself behind a real API server, by the configuration that the chart has put there.

Only places are others than in a Pod: ports of loopback, a folder for the outbox, a certificate of the cluster's CA.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from router.cli.demo.world import free_port
from tests.chart.cluster import Cluster, lead, until


@dataclass
class Product:
    """A running one."""

    process: subprocess.Popen[bytes]
    config: Path

    def said(self, *arguments: str) -> str:
        """What a command says, asked beside it as `kubectl exec` would."""
        command = [sys.executable, "-m", "router", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


@contextlib.contextmanager
def product(made: Cluster, folder: Path) -> Iterator[Product]:
    """Ready, and asked by the API server; killed at the end."""
    found = made.must("GET", "/api/v1/namespaces/gatecrier/configmaps/gatecrier-config")["data"]["gatecrier.yaml"]
    config = yaml.safe_load(found)
    webhook, operations = free_port(), free_port()
    pair = made.server.authority.pair("gatecrier")
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (folder / name).write_bytes(content)
    config["webhook"] |= {"listen": f"127.0.0.1:{webhook}", "tls": {"certificate": "tls.crt", "key": "tls.key"}}
    config["operations"] = {"listen": f"127.0.0.1:{operations}"}
    config["outbox"] = {"url": "sqlite:///outbox.db"}
    path = folder / "gatecrier.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "router", "serve", "--config", str(path), "--log", "json"]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        until(lambda: _is_ready(process, operations))
        lead(made, webhook)
        yield Product(process, path)
    finally:
        process.kill()
        process.wait()


def _is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "it has ended"
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
