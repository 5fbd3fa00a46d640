"""A file of JSON lines, one event each: for sidecars that ship logs, and for tests.

Rules:
(1) A batch is one write that is flushed to the disk before it counts as delivered; so is the folder, when the file is
    new to it.
(2) A line without its end was torn by a crash: its batch was never settled and comes again, so it is cut off when the
    file is opened.
(3) When the path leads to another file (logrotate has moved ours away), that one is opened.
(4) A full disk or a missing folder is a failure that may pass; what was written of the batch is taken back.
(5) Whoever writes or cuts holds the file's lock (`flock`): an attempt that was cancelled still writes in its thread, a
    reload opens the file anew, and an update runs two routers at one volume. Without it one would cut off as torn what
    the other is writing. Where the file system has no locks, one router at a time is the operator's care.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from router.by_reference import RelativePath
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import CommonSettings
from router.fields import Duration
from router.telemetry.logs import logger

log = logger()

_TAIL = 64 * 1024
_PAUSES = (0.001, 0.004, 0.02, 0.1, 0.4, 1.0)
"""Seconds between attempts to get the lock: others hold it for one write, unless they hang."""


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
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._is_failing = False

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Append these documents, a line each."""
        lines = b"".join(document.body.replace(b"\n", b" ") + b"\n" for document in documents)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            if not self._is_failing:  # once, not with every attempt; the reason code alone does not say what to mend
                log.warning("file_append_failed", destination=self.name, cause=error.strerror)
            self._is_failing = True
            return TryAgain("io_error")
        self._is_failing = False
        return Delivered()

    async def close(self) -> None:
        """Close the file, after whatever a cancelled attempt still writes."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._forget()

    def _append(self, lines: bytes) -> None:
        with self._turn:
            try:
                descriptor = self._opened()
                with _locked(descriptor):
                    _write(descriptor, lines)
            except OSError:
                self._forget()  # what could not be taken back is cut off as torn when the file is opened again
                raise

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_moved(self._descriptor):
            return self._descriptor
        self._forget()
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._descriptor = descriptor
        with _locked(descriptor):
            _cut_torn_line(descriptor)
        if is_new:
            self._flush_folder()
        return descriptor

    def _forget(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _flush_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _is_moved(self, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (found.st_dev, found.st_ino)


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    has_locks = _lock(descriptor)
    try:
        yield
    finally:
        if has_locks:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _lock(descriptor: int) -> bool:
    """Whether the file system has locks; raises BlockingIOError where another holds it for long."""
    for pause in _PAUSES:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        except OSError:
            return False
        else:
            return True
    raise BlockingIOError(errno.EAGAIN, "another process holds the file's lock")


def _write(descriptor: int, lines: bytes) -> None:
    before = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(lines):
            written += os.write(descriptor, lines[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _cut_torn_line(descriptor: int) -> None:
    size = end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _TAIL)
        tail = os.pread(descriptor, end - start, start)
        if (newline := tail.rfind(b"\n")) >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
