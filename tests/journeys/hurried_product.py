"""`gatecrier` that looks after its certificate ten times as fast: `python -m tests.journeys.hurried_product serve ...`.

Only the seconds of waiting are fewer: between two looks, and until everybody has taken what was written. The order of
the steps, and what each of them waits for, is that of the product. Whoever leads does so for longer: what a test writes
into the Lease holds until it writes something else.
"""

from __future__ import annotations

import sys

from router.certificates import keeping, planning
from router.cli import main

FASTER = 10
"""How many times."""

if __name__ == "__main__":
    keeping.LOOK /= FASTER
    planning.SETTLE /= FASTER
    keeping.LEASE *= FASTER
    sys.exit(main())
