"""`gatecrier` in a hurry whose clock a test sets: `python -m tests.chart.later serve --config FILE`.

The environment names a file with the seconds that the time of day is ahead, which is looked at each time: a float of
eight bytes (`Clock`). All else is `tests.chart.hurried`, which must not be imported before the clock is another.
"""

from __future__ import annotations

import mmap
import os
import runpy
import struct
import time
from collections.abc import Callable
from pathlib import Path

CLOCK = "LATER_CLOCK"
"""The variable of the environment that says where the file is."""
_FORM = "d"


class Clock:
    """How far ahead the time of day is for those who go by a file; at first not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(struct.pack(_FORM, 0.0))
        self.seconds = 0.0

    def advance(self, seconds: float) -> None:
        """Let it be so much later."""
        self.seconds += seconds
        with self.path.open("r+b") as file:  # in place: others have it mapped
            file.write(struct.pack(_FORM, self.seconds))


def _later(path: str) -> Callable[[], float]:
    with Path(path).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    true_time = time.time
    return lambda: true_time() + float(struct.unpack(_FORM, ahead)[0])


if __name__ == "__main__":
    time.time = _later(os.environ[CLOCK])
    runpy.run_module("tests.chart.hurried", run_name="__main__", alter_sys=True)
