"""How many gate processes there should be, from what this container or machine may use.

CPUs: the smaller of those that the process may run on and of what the control group grants (`cpu.max`, rounded up: half
a CPU is still one that runs), less one for the keeper and whoever else is there. Memory: what the control group grants,
as far as it is beyond what the other processes need. At least one gate, at most four.

Sources: Linux kernel, "Control Group v2" (`cpu.max`: quota and period in microseconds, or `max`; `memory.max`: bytes,
or `max`), and the older `cpu.cfs_quota_us`, `cpu.cfs_period_us`, `memory.limit_in_bytes` (-1 or very large: none).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

MOST = 4
"""Gates, whatever the machine: beyond it the keeper is what everybody waits for."""
OTHERS_MEMORY = 224 * 2**20
"""Bytes for the supervisor and the keeper, with what they hold in their busiest hour."""
GATE_MEMORY = 144 * 2**20
"""Bytes for one gate, with its share of what all gates may hold."""
_ROOT = Path("/sys/fs/cgroup")


def gate_processes(cpus: float, memory: int | None) -> int:
    """How many gates so many CPUs and so many bytes (None: no limit) are enough for."""
    by_memory = MOST if memory is None else (memory - OTHERS_MEMORY) // GATE_MEMORY
    return max(1, min(MOST, math.ceil(cpus) - 1, by_memory))


def usable_cpus(root: Path = _ROOT) -> float:
    """CPUs that this process may use, by affinity and control group."""
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, period = _numbers(root / "cpu.max", 2) or (None, None)
    if quota is None:
        quota = _number(root / "cpu" / "cpu.cfs_quota_us")
        period = _number(root / "cpu" / "cpu.cfs_period_us")
    if not quota or not period or quota < 0:
        return available
    return min(available, quota / period)


def usable_memory(root: Path = _ROOT) -> int | None:
    """Bytes that the control group grants; None: as much as there is."""
    granted = _number(root / "memory.max") or _number(root / "memory" / "memory.limit_in_bytes")
    return None if granted is None or not 0 < granted < 2**50 else granted


def _number(file: Path) -> int | None:
    found = _numbers(file, 1)
    return None if found is None else found[0]


def _numbers(file: Path, count: int) -> list[int] | None:
    """The first numbers of a file; None where there is no such file, or it says something else, such as `max`."""
    try:
        numbers = [int(word) for word in file.read_text(encoding="ascii").split()[:count]]
    except (OSError, ValueError):
        return None
    return numbers if len(numbers) == count else None
