"""A file of JSON lines, one event each: for sidecars that ship logs, and for tests.

Rules:
(1) A batch is one write that is flushed to the disk before it counts as delivered.
(2) A line without its end was torn by a crash: its batch was never settled and comes again, so it is cut off when the
    file is opened.
(3) When the path leads to another file (logrotate has moved ours away), that one is opened.
(4) A full disk or a missing folder is a failure that may pass; what was written of the batch is taken back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import CommonSettings
from router.fields import Duration, RelativePath

_TAIL = 64 * 1024


class FileSettings(CommonSettings):
    """A file of JSON lines."""

    kind: Literal["file"]
    """A file of JSON lines."""
    path: RelativePath
    """The file; made if it is not there, appended to if it is."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 128
    """How many events one write may hold; as many may be repeated after a crash."""
    give_up_after: Duration = 86400.0
    """How long after its first attempt an event is set aside that could not be written."""


class FileDestination:
    """Appends to a file."""

    concurrency = 1
    """One writer, so that lines keep their order."""

    def __init__(self, settings: FileSettings) -> None:
        self.name = settings.name
        self.batch_size = settings.batch_size
        self.give_up_after = settings.give_up_after
        self._path = settings.path
        self._descriptor: int | None = None

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Append these documents, a line each."""
        lines = b"".join(document.body.replace(b"\n", b" ") + b"\n" for document in documents)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError:
            return TryAgain("io_error")
        return Delivered()

    async def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, lines: bytes) -> None:
        descriptor = self._opened()
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(lines):
                written += os.write(descriptor, lines[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_moved(self._descriptor):
            return self._descriptor
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        _without_torn_line(self._descriptor)
        return self._descriptor

    def _is_moved(self, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (found.st_dev, found.st_ino)


def _without_torn_line(descriptor: int) -> None:
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _TAIL)
        tail = os.pread(descriptor, end - start, start)
        if (newline := tail.rfind(b"\n")) >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(descriptor, end)
