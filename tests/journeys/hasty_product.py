"""`gatecrier` that scans as soon as it runs: `python -m tests.journeys.hasty_product serve --config FILE`."""

from __future__ import annotations

import sys

from router.assembly import scans
from router.cli import main

if __name__ == "__main__":
    scans.FIRST = 0.0  # the keeper is a fork of this process
    sys.exit(main(sys.argv[1:]))
