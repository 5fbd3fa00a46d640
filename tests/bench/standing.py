"""What the router costs before anybody asks: time to ready, resident memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

from router.cli.demo.world import free_port
from tests.bench.table import Row


def run() -> Sequence[Row]:
    """Start to ready, beside a bare interpreter that imports aiohttp; resident memory when idle."""
    started, bare, resident = [], [], []
    for _ in range(5):
        with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name:
            seconds, mebibytes = _started(Path(name))
        started.append(seconds)
        resident.append(mebibytes)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp.web"], check=True)
        bare.append(time.perf_counter() - began)
    ready, least, memory = (statistics.median(values) for values in (started, bare, resident))
    return [
        Row("start to ready", f"{ready:.2f} s", f"{least:.2f} s (import aiohttp)", f"{ready / least:.1f}x", "< 1.5 s"),
        Row("idle memory", f"{memory:.0f} MiB", "", "", "< 120 MiB"),
    ]


def _started(folder: Path) -> tuple[float, float]:
    operations = free_port()
    settings = {
        "cluster": "bench",
        "webhook": {"listen": f"127.0.0.1:{free_port()}", "tls": "self-signed"},
        "operations": {"listen": f"127.0.0.1:{operations}"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "policy": [{"pattern": "**", "verifier": "deny"}],
    }
    (folder / "gatecrier.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "router", "serve", "--config", str(folder / "gatecrier.yaml")]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not _is_ready(operations):
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    finally:
        process.terminate()
        process.wait(20)
    return seconds, pages * 4096 / 2**20


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
