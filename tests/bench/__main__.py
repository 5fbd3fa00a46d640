"""Every figure that Gatecrier is held to, as a table: `python -m tests.bench [--write]`.

`--write` puts the table and the machine into docs/benchmarks.md. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tests.bench import (
    backlog,
    cluster,
    delivery,
    draining,
    far,
    gate,
    incidents,
    kinds,
    outbox,
    own_ways,
    render,
    standing,
    verification,
)
from tests.bench.table import Row, as_markdown, as_text


def delivered() -> Sequence[Row]:
    """Delivery's figures in the form of the others."""
    return [
        Row(row.name, f"{row.ours:,.0f}/s", f"{row.bare:,.0f}/s", f"{row.ratio:.0%}", f">= {row.target:.0%}")
        for row in delivery.run()
    ]


BENCHMARKS = {
    "standing": standing.run,
    "gate": gate.run,
    "far": far.run,
    "backlog": backlog.run,
    "verification": verification.run,
    "render": render.run,
    "outbox": outbox.run,
    "delivery": delivered,
    "kinds": kinds.run,
    "own ways": own_ways.run,
    "draining": draining.run,
    "incidents": incidents.run,
    "cluster": cluster.run,
}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures -->", "<!-- end -->"


def _cpu_lines() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


def machine() -> str:
    """What this ran on, without a name."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), Python {platform.python_version()}"


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md")
    arguments = parser.parse_args()
    rows = []
    for name, run in BENCHMARKS.items():
        print(f"running {name} ...", flush=True)
        rows += list(run())
    print(machine())
    print(as_text(rows))
    if arguments.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        table = f"{BEGIN}\n{machine()}\n\n{as_markdown(rows)}\n{END}"
        PAGE.write_text(f"{before}{table}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
