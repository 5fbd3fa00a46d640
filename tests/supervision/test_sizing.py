"""How many gates there are follows from what the container may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.supervision.sizing import gate_processes, usable_cpus, usable_memory


@pytest.mark.parametrize(
    ("cpus", "mebibytes", "gates"),
    [(1, None, 1), (2, None, 1), (3, None, 2), (2.5, None, 2), (0.5, None, 1), (64, None, 4), (8, 512, 2), (8, 64, 1)],
)
def test_gates_follow_from_cpus_and_memory(cpus: float, mebibytes: int | None, gates: int) -> None:
    """A gate more than there are CPUs makes all of them slower; one more than there is memory ends them."""
    assert gate_processes(cpus, None if mebibytes is None else mebibytes * 2**20) == gates


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        pytest.param({"cpu.max": "50000 100000\n", "memory.max": "536870912\n"}, 0.5, 2**29, id="version 2"),
        pytest.param({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None, id="version 2 without limits"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.cfs_period_us": "100000", "memory/memory.limit_in_bytes": "9"},
            0.25,
            9,
            id="version 1",
        ),
        pytest.param(
            {
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
            None,
            id="version 1 without limits",
        ),
        pytest.param({}, None, None, id="no control groups"),
        pytest.param({"cpu.max": "\x00", "memory.max": ""}, None, None, id="files that say nothing"),
    ],
)
def test_limits_are_read_from_control_groups(
    tmp_path: Path, files: dict[str, str], cpus: float | None, memory: int | None
) -> None:
    """Kubernetes limits a container by control groups; the machine around it may be much larger."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert usable_cpus(tmp_path) == (cpus or len(os.sched_getaffinity(0)))
    assert usable_memory(tmp_path) == memory
