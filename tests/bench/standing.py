"""What the router costs before anybody asks: time to ready, memory of all its processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.product import memory, served
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
        Row("idle memory", f"{memory:.1f} MiB", "", "", "< 120 MiB"),
    ]


def _started(folder: Path) -> tuple[float, float]:
    with served(folder, {"policy": [{"pattern": "**", "verifier": "deny"}]}) as product:
        return product.seconds, memory(product.process)
