"""Lines on their way to standard error, whatever that is: nobody ever waits for it.

Rules:
(1) `put` and `put_event` only add to a queue in memory, from any thread, and never raise. One thread, started with the
    first line and ended by nobody, writes to the file descriptor itself: no lock or buffer of Python's own streams is
    held while a write hangs, so the process can always end.
(2) The queue is bounded by bytes. Ordinary lines have `ORDINARY_LIMIT`; the oldest make room. Events whose last resort
    is the log have `EVENT_LIMIT` above that; beyond it ordinary lines make room for them, even those that already
    wait, then larger events for smaller ones (nobody's huge events push out those of others), and only then an event
    finds none. What was dropped is counted, and said where it is missing.
(3) Lines are written in the order in which they came, in whole lines of at most 4 KiB at once where standard error is
    a pipe (PIPE_BUF, pipe(7): all or nothing) or anything else that can be full.
(4) What can't be written (no reader, no space, would block) waits in the queue and is tried again; half a line is
    continued where it broke off.
(5) `flush` waits for what is queued, but no longer than it is told, and not at all where nothing has moved since the
    last one gave up.
(6) A process that forks leaves the queue to its parent; the child begins with an empty one.
"""

from __future__ import annotations

import os
import queue
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from router.telemetry.event_parts import part_lines

ORDINARY_LIMIT = 4 * 1024 * 1024
EVENT_LIMIT = 16 * 1024 * 1024
OVERHEAD = 128
"""Bytes of memory that a line takes beside its own."""
PIPE_CHUNK, FILE_CHUNK = 4096, 64 * 1024
GATHER = 0.05
"""Seconds that lines are gathered for one write: whoever caused them is answered first."""
PATIENCE = 1.0
"""Seconds after which what could not be written is tried again, and that a process waits for its log when it ends."""
SOON = 0.05
"""The same where a descriptor that must not block has no room at the moment."""


@dataclass(slots=True)
class _Event:
    """An event that is to be written in parts."""

    sequence: int
    event_id: str
    body: bytes
    stamp: str

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.body) + OVERHEAD


class LineQueue:
    """A bounded queue in front of a file descriptor.

    Args:
        descriptor: Where lines go; it is neither closed nor changed.
        gap: Makes the line that says how many are missing at its place, and by which mistake of ours, if it was one.
        ordinary: Bytes that ordinary lines may take.
        events: Bytes that events may take above that.
    """

    def __init__(
        self,
        descriptor: int,
        gap: Callable[[int, Exception | None], bytes],
        *,
        ordinary: int = ORDINARY_LIMIT,
        events: int = EVENT_LIMIT,
    ) -> None:
        self.gap = gap
        self._descriptor = descriptor
        self._ordinary_limit, self._whole_limit = ordinary, ordinary + events
        self._dropped = {"ordinary": 0, "event": 0}
        self._has_ended = False
        self._begin()

    def _begin(self) -> None:
        # reentrant, since a finalizer that logs may run at any place, within `put` too
        self._lock = threading.RLock()
        self._lines: deque[tuple[int, bytes]] = deque()
        self._events: deque[_Event] = deque()
        self._lines_size = self._events_size = 0
        self._sequence = 0
        self._missing = 0
        self._mistake: Exception | None = None
        """Of ours, the last by which something is missing."""
        self._parts: Iterator[bytes] | None = None
        self._parts_size = 0
        self._written = 0
        self._given_up_at: int | None = None
        self._is_idle = True
        self._hurry = threading.Event()
        self._drained = threading.Event()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    after_fork = _begin

    def put(self, line: bytes) -> None:
        """Queue an ordinary line, which ends in a line feed; the oldest make room where there is none."""
        size = len(line) + OVERHEAD
        with self._lock:
            while self._lines and (
                self._lines_size + size > self._ordinary_limit or self._size + size > self._whole_limit
            ):
                self._drop_oldest()
            if self._size + size > self._whole_limit:
                self._count_missing()
                return
            self._sequence += 1
            self._lines.append((self._sequence, line))
            self._lines_size += size
            self._rouse()

    def put_event(self, event_id: str, body: bytes, stamp: str) -> bool:
        """Queue an event whose last resort this is; says whether there was room for it."""
        with self._lock:
            self._sequence += 1
            event = _Event(self._sequence, event_id, body, stamp)
            while self._lines and self._size + event.size > self._whole_limit:
                self._drop_oldest()
            while self._size + event.size > self._whole_limit:
                largest = max(self._events, key=lambda waiting: waiting.size, default=event)
                self._dropped["event"] += 1
                if largest.size <= event.size:
                    return False
                self._events.remove(largest)
                self._events_size -= largest.size
            self._events.append(event)
            self._events_size += event.size
            self._rouse()
            return True

    @property
    def dropped(self) -> dict[str, int]:
        """How many ordinary lines, and how many whole events, have found no room so far."""
        return dict(self._dropped)

    def flush(self, patience: float = PATIENCE) -> bool:
        """Wait until everything is written, at most so many seconds; says whether it is."""
        with self._lock:
            if self._is_idle and not self._lines and not self._events:
                return True
            if self._given_up_at == self._written:
                return False
            self._drained.clear()
            self._hurry.set()
            self._rouse()
        is_done = self._drained.wait(patience)
        with self._lock:
            self._hurry.clear()
            is_done = is_done and self._given_up_at is None
            if not is_done:
                self._given_up_at = self._written
            return is_done

    def close(self, patience: float = PATIENCE) -> None:
        """Flush, and end the thread: whoever owns the descriptor may close it when a pending write has come back."""
        self.flush(patience)
        self._has_ended = True
        self._hurry.set()
        self._wake.put(None)

    @property
    def _size(self) -> int:
        return self._lines_size + self._events_size + self._parts_size

    def _drop_oldest(self) -> None:
        _, line = self._lines.popleft()
        self._lines_size -= len(line) + OVERHEAD
        self._count_missing()

    def _count_missing(self) -> None:
        self._dropped["ordinary"] += 1
        self._missing += 1

    def _rouse(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending: the next line tries again
                return
            self._thread = thread
        if self._is_idle:
            self._is_idle = False
            self._wake.put(None)

    def _run(self) -> None:
        while not self._has_ended:
            try:
                if data := self._next():
                    self._write(data)
                    if len(data) < self._chunk() // 2:  # a thread that never rests takes turns from the busy loop
                        self._hurry.wait(GATHER)
                    continue
                self._wake.get()
                self._hurry.wait(GATHER)
            except Exception as error:  # noqa: BLE001 - the log outlives every mistake; it is told with what it cost
                self._parts = None
                with self._lock:
                    self._mistake = error
                    self._count_missing()
                self._hurry.wait(PATIENCE)

    def _next(self) -> bytes:
        """What is to be written next, in order; nothing where nothing waits."""
        if self._parts is not None and (part := next(self._parts, b"")):
            return part
        with self._lock:
            self._parts, self._parts_size = None, 0
            if lines := self._gathered():
                return lines
            if not self._events:
                self._is_idle, self._given_up_at = True, None
                self._drained.set()
                return b""
            event = self._events.popleft()
            self._events_size -= event.size
            self._parts, self._parts_size = part_lines(event.event_id, event.body, event.stamp), event.size
        return next(self._parts, b"") or self._next()

    def _gathered(self) -> bytes:
        """Lines that come before the first event, as many as one write takes, or one."""
        gathered, room = [], self._chunk()
        if self._missing:
            gathered.append(self.gap(self._missing, self._mistake))
            self._missing, self._mistake = 0, None
        while self._lines and (not self._events or self._lines[0][0] < self._events[0].sequence):
            line = self._lines[0][1]
            room -= len(line)
            if gathered and room < 0:
                break
            gathered.append(line)
            self._lines_size -= len(line) + OVERHEAD
            self._lines.popleft()
        return b"".join(gathered)

    def _chunk(self) -> int:
        try:
            is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        except OSError:
            is_file = False
        return FILE_CHUNK if is_file else PIPE_CHUNK

    def _write(self, data: bytes) -> None:
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        while data and not self._has_ended:
            try:
                ready.poll()
                count = os.write(self._descriptor, data[: self._chunk()])
            except BlockingIOError:
                time.sleep(SOON)
            except OSError:
                if self._hurry.is_set():  # somebody waits for the end of it, and this is no matter of a moment
                    self._given_up_at = self._written
                    self._drained.set()
                self._hurry.wait(PATIENCE)
            else:
                self._written += count
                data = data[count:]
