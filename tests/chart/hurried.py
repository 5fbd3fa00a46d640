"""`gatecrier` in a hurry, with a hosts file of its own: `python -m tests.chart.hurried serve --config FILE`.

The webhook's certificate is looked after ten times as fast: a renewal waits for `SETTLE` seconds, not half a minute.
What the chart calls replicas is found in the file that the environment names: there is no name server of a cluster.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from router.certificates import keeping, planning
from router.cli import main
from router.outbound import lookups

HOSTS = "HURRIED_HOSTS"
"""The variable of the environment that says where the hosts file is."""
FASTER = 10
"""How many times."""
SETTLE = planning.SETTLE / FASTER


class _Hosts(lookups.HostsFile):
    def __init__(self, path: Path) -> None:
        super().__init__(Path(os.environ.get(HOSTS, path)))


if __name__ == "__main__":
    keeping.LOOK /= FASTER
    planning.SETTLE = SETTLE
    lookups.HostsFile = _Hosts  # type: ignore[misc]  # the one place where the file is named
    sys.exit(main(sys.argv[1:]))
