"""Children of a nursery that has died: they stay in the family, and leave nothing behind when they end.

Where the kernel allows it (Linux, PR_SET_CHILD_SUBREAPER of prctl(2)), they become children of the supervisor, and not
of the machine's first process: whoever looks at our process sees all that belongs to it, in a container or not.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

REAPING = 1.0
"""Seconds after which a process whose socket has closed has ended."""
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let descendants whose parent has died become children of this process, where there is such a thing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library may not have it
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> None:
    """Take note of the end of every child that has ended, so that the kernel can forget it."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
