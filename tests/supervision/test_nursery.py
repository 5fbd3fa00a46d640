"""What the processes are forked from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT = """
import gc, weakref
from router.supervision.nursery import forked

class Cycle: pass

gc.disable()
garbage = Cycle()
garbage.itself = garbage
is_there = weakref.ref(garbage)
del garbage
nursery = forked(dict)
print(is_there() is not None)
nursery.close()
"""


def test_forking_makes_no_holes_in_what_is_shared() -> None:
    """What would be collected leaves room in pages of all processes, and each that takes some copies the page."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "True\n"
