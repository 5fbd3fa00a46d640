"""How many files and connections this process may have open."""

from __future__ import annotations

import contextlib
import resource


def raise_open_files() -> None:
    """Raise the soft limit to the hard one: it is soft for the sake of programs that use select(), and we do not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # a system may refuse what its own hard limit promises
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int:
    """The limit that is in force."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return int(soft) if soft != resource.RLIM_INFINITY else 2**20
