"""What the router costs before anybody asks: time to ready, memory of all its processes."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from router.cli.demo.world import free_port
from tests.bench.product import is_ready
from tests.bench.table import Row


def run() -> Sequence[Row]:
    """Start to ready, beside a bare interpreter that imports aiohttp; memory when idle."""
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
        while not is_ready(operations):
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        memory = sum(map(_share, _family(process.pid)))
    finally:
        process.terminate()
        process.wait(20)
    return seconds, memory / 2**20


def _family(process: int) -> Sequence[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    family = [process]
    for one in family:
        family += children.get(one, [])
    return family


def _share(process: int) -> int:
    """Bytes of memory; what several processes share counts for each in part (PSS)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
