"""The log of this process, read back: where standard error is not the subject, its lines are."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from router.telemetry import logs
from router.telemetry.line_queue import LineQueue


class Log:
    """What was logged since the beginning."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.queue = LineQueue(descriptor, lambda missing, _: b'{"event":"missing","lines":%d}\n' % missing)

    @property
    def text(self) -> str:
        """Everything, as it would stand on standard error."""
        assert self.queue.flush(10)
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Everything, where the form is JSON."""
        return [json.loads(line) for line in self.text.splitlines()]

    def named(self, event: str) -> list[dict[str, Any]]:
        """The lines with this name."""
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def collected(*, readable: bool = False, least: str = "INFO") -> Iterator[Log]:
    """Everything that is logged meanwhile."""
    with tempfile.TemporaryFile() as file:
        log = Log(file.fileno())
        logs.configure(readable=readable, least=least, queue=log.queue)
        structlog.configure(cache_logger_on_first_use=False)  # loggers of modules outlive a test
        try:
            yield log
        finally:
            log.queue.close()
            logs.configure(readable=False)
            structlog.reset_defaults()
