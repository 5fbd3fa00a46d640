"""What this process may have open, when it looks for garbage, how soon its threads take turns, and its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import resource

COLLECTING = (700, 10, 2)
"""When garbage is collected: five times as often as Python would at last, since a thousand images that can't be reached
leave so much that one collection of it held the loop for 90 ms. What was frozen at the start costs none of them."""

TURNS = 0.0002
"""Seconds after which the keeper's loop gives the interpreter's lock to a thread that waits for it: the one that
commits needs it back twice for each transaction, which all who are admitted wait for. With Python's own 5 ms that wait
was twice as long while there was much to deliver."""


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


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The loop of uvloop where it is installed (Linux), else asyncio's."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - optional: it is not there on every platform

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
