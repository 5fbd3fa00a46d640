"""What every test finds around it: no trust in the authorities of this machine, a log that costs little, and no disk.

1. Tests talk to loopback, by certificates of their own. Reading the hundreds of authorities of a machine, for each TLS
   context anew, was a tenth of the time of the suite. `outside` is what was set before, for the one that downloads.
2. structlog's own default draws a picture of each exception with the values of all variables, for half a second. What
   a log line looks like is claimed by tests of the log alone.
3. What tests write is in memory where there is room: each of thousands of outboxes would wait for the disk. That an
   outbox waits is claimed by what it asks of the system. Who sets TMPDIR or `--basetemp` says otherwise.
4. Programs in Go (an API server, Helm and others) look for garbage seldom: that is a third of what Helm does, and a
   sixth of the start of an API server. They use one processor: the others are at tests, and handing work from one to
   the other is a sixteenth of what these programs do.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import structlog

_MEMORY = Path("/dev/shm")  # noqa: S108 - those who write there make folders of their own
_ROOM = 2 * 2**30
"""Bytes that must be free there; containers have 64 MiB."""
_KEPT = "GATECRIER_TESTS_OUTSIDE_SSL_CERT_FILE"


def trust_nobody() -> None:
    """From now on, here and in every process that is started."""
    os.environ.setdefault(_KEPT, os.environ.get("SSL_CERT_FILE", ""))
    os.environ["SSL_CERT_FILE"] = os.devnull


def outside() -> dict[str, str]:
    """The environment for a program that goes to the package index."""
    kept = os.environ.get(_KEPT, "")
    inside = {"SSL_CERT_FILE", _KEPT}
    return {name: value for name, value in os.environ.items() if name not in inside} | (
        {"SSL_CERT_FILE": kept} if kept else {}
    )


def write_in_memory() -> None:
    """From now on, here and in every process that is started."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM:
        os.environ.setdefault("TMPDIR", str(_MEMORY))
        tempfile.tempdir = None  # it was looked for before


def save_in_go() -> None:
    """From now on, in every process that is started; garbage is collected where one would take more memory (4)."""
    os.environ.setdefault("GOGC", "400")
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.setdefault("GOMEMLIMIT", "400MiB")


def log_plainly() -> None:
    """Unless somebody has configured the log."""
    if not structlog.is_configured():
        plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(
            processors=[structlog.processors.add_log_level, plain],
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )
