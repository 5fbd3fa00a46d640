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


def test_garbage_of_the_start_is_not_frozen() -> None:
    """Nobody collects what is frozen: every process would have it for as long as it lives."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "False\n"
