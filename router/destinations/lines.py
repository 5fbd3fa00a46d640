"""Appends lines to whatever a path leads to: a regular file, a pipe, a terminal. Synchronous; blocks.

Rules:
(1) Each line is one write, so that whoever reads beside us sees whole lines; the lines of one call count together.
(2) A regular file: the call is flushed to the disk before it counts, and so is the folder when the file is new to it.
    What was written of a call that failed is taken back. Whoever writes or cuts holds the file's lock (`flock`): an
    attempt that was given up still writes in its thread, a reload opens the file anew, an update runs two routers at
    one volume. Without it one would cut off as torn what the other is writing. Where the file system has no locks, one
    router at a time is the operator's care.
(3) What ends without a newline is not ours unless it shows it. A last line is cut off when the file is opened only if
    it begins as our events do (`BEGINNING`), stands after a newline or at the start, and is no whole JSON document:
    then a crash tore it, its call never counted, and it comes again. Anything else is kept, and a newline is written
    after it.
(4) What is no regular file gets no lock, no flush and no cut. It is opened for writing alone, so that a pipe that
    nobody reads refuses us instead of filling up, and it is waited for `PATIENCE` at most. A line of which only a part
    went out is ended by a newline before the next.
(5) When the path leads to another file (logrotate has moved ours away), that one is opened.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from router.events import BEGINNING

PATIENCE = 5.0
"""Seconds that a reader gets to make room."""
LINE_LIMIT = 4 * 2**20
"""Bytes of a last line that may be ours: many times what an event has."""
_STEP = 64 * 1024
_PAUSES = (0.001, 0.004, 0.02, 0.1, 0.4, 1.0)
"""Seconds between attempts to get the lock: others hold it for one write, unless they hang."""


class LineFile:
    """What a path leads to, open for more lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_regular = False
        self._is_torn = False

    def append(self, lines: Sequence[bytes]) -> None:
        """Append these, each with its newline; they are durable when it returns, where that can be.

        Raises:
            OSError: It could not be done; nothing of it counts.
        """
        try:
            descriptor = self._opened()
            if self._is_regular:
                with _locked(descriptor):
                    _append(descriptor, lines)
            else:
                self._send(descriptor, lines)
        except OSError:
            self.close()  # what could not be taken back is dealt with when it is opened again
            raise

    def close(self) -> None:
        """Close it; the next line opens it again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _opened(self) -> int:
        if self._descriptor is not None and not self._is_moved(self._descriptor):
            return self._descriptor
        self.close()
        found = _status(self._path)
        is_regular = found is None or stat.S_ISREG(found.st_mode)
        access = os.O_RDWR | os.O_CREAT if is_regular else os.O_WRONLY
        flags = access | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = self._descriptor = os.open(self._path, flags, 0o640)
        if stat.S_ISREG(os.fstat(descriptor).st_mode) is not is_regular:
            raise OSError(errno.EAGAIN, "another file stands there since a moment ago")
        self._is_regular = is_regular
        if is_regular:
            with _locked(descriptor):
                _end_last_line(descriptor)
            if found is None:
                self._flush_folder()
        return descriptor

    def _flush_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _is_moved(self, descriptor: int) -> bool:
        ours, found = os.fstat(descriptor), _status(self._path)
        return found is None or (ours.st_dev, ours.st_ino) != (found.st_dev, found.st_ino)

    def _send(self, descriptor: int, lines: Sequence[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        for line in lines:
            left = memoryview(b"\n" + line if self._is_torn else line)
            while left:
                try:
                    left = left[os.write(descriptor, left) :]
                    self._is_torn = bool(left)
                except BlockingIOError:
                    if not _has_room(descriptor, end - time.monotonic()):
                        raise TimeoutError(errno.ETIMEDOUT, "nobody reads what was written") from None


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _has_room(descriptor: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(patience > 0 and poll.poll(patience * 1000))


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


def _append(descriptor: int, lines: Sequence[bytes]) -> None:
    before = os.fstat(descriptor).st_size
    try:
        for line in lines:
            left = memoryview(line)
            while left:
                left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _end_last_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return
    start = _start_of_last_line(descriptor, size)
    if start is not None and _is_torn_event(os.pread(descriptor, size - start, start)):
        os.ftruncate(descriptor, start)
    else:
        _append(descriptor, [b"\n"])


def _start_of_last_line(descriptor: int, size: int) -> int | None:
    """Where it starts; None where it is longer than any of ours."""
    start = size
    while start > max(0, size - LINE_LIMIT):
        before = max(0, start - _STEP)
        if (newline := os.pread(descriptor, start - before, before).rfind(b"\n")) >= 0:
            return before + newline + 1
        start = before
    return 0 if start == 0 else None


def _is_torn_event(line: bytes) -> bool:
    if not line.startswith(BEGINNING):
        return False
    try:
        json.loads(line)
    except ValueError:
        return True
    return False  # somebody has taken the newline away, as editors do: the event is whole
