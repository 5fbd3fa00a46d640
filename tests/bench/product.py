"""The router as it is started, for figures that need one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeAlias

from router.cli.demo.world import free_port
from tests.bench.neighbours import FAR
from tests.verification.world import DATA

Named: TypeAlias = Sequence[Mapping[str, object]]

PATIENCE = 60.0
"""Seconds until it must be ready, and until it must have ended."""


def by_identity(host: str) -> tuple[Named, Named]:
    """Verifiers and rules for `far/identity0` ... of a registry, each its own: none remembers what another has seen."""
    root = {"file": str(DATA / "keyless" / "trusted_root.json")}
    alice = {"name": "alice", "issuer": "https://accounts.shop.example", "subject": "alice@shop.example"}
    names = [f"identity{number}" for number in range(FAR)]
    verifiers = [{"name": name, "kind": "cosign", "keyless": [alice], "trust_root": root} for name in names]
    return verifiers, [{"pattern": f"{host}/far/{name}", "verifier": name} for name in names]


@dataclass(frozen=True, slots=True)
class Served:
    """Where a running router answers, on loopback."""

    webhook: int
    operations: int
    process: int
    """The supervisor's number."""
    seconds: float
    """From start to ready."""

    @property
    def url(self) -> str:
        """Where reviews are validated."""
        return f"https://127.0.0.1:{self.webhook}/validate?timeout=10s"


@contextlib.contextmanager
def served(folder: Path, settings: Mapping[str, object]) -> Iterator[Served]:
    """A router with these settings, and addresses and an outbox of its own in the folder, from ready to its end."""
    webhook, operations = free_port(), free_port()
    whole = {
        "cluster": "bench",
        "webhook": {"listen": f"127.0.0.1:{webhook}", "tls": "self-signed", "linger": "100ms"},
        "operations": {"listen": f"127.0.0.1:{operations}"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "egress": {"allow": ["127.0.0.0/8"]},
    }
    (folder / "gatecrier.yaml").write_text(json.dumps(whole | dict(settings)))
    command = [sys.executable, "-m", "router", "serve", "--config", str(folder / "gatecrier.yaml"), "--log", "json"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"HOSTNAME": "replica-1"})
    try:
        while not is_ready(operations):
            if time.perf_counter() > began + PATIENCE or process.poll() is not None:
                raise RuntimeError("the router has not become ready")
            time.sleep(0.01)
        yield Served(webhook, operations, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def is_ready(operations: int) -> bool:
    """Whether the probe of a router says so."""
    connection = HTTPConnection("127.0.0.1", operations, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


def memory(process: int) -> float:
    """MiB of a process and all that descend from it; what several of them share counts for each in part (PSS)."""
    return sum(map(_share, _family(process))) / 2**20


def _family(process: int) -> Sequence[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    family = [process]
    for one in family:
        family += children.get(one, [])
    return family


def _share(process: int) -> int:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return 0
