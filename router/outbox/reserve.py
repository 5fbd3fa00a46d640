"""Keeps some room on the disk back, so that what is stored can be delivered when the disk is full.

What becomes of a delivery must be written, or it is repeated: nothing is delivered where nothing can be written. So a
file of its own holds room. When the disk has less than a quarter of that free it is given up, and no more events are
stored (each is in the log instead), until there is twice that room: what it held is for deliveries, which need little.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from router.outbox.damage import beside
from router.telemetry.logs import logger

log = logger()

ENDING = "-reserve"
RESERVE = 32 * 2**20
"""Bytes that are kept back on a large disk: twice what the log grows to before it is moved into the file, which must
grow by as much before the log can be written from its beginning again (`schema.CHECKPOINT_PAGES`)."""
PART = 4
"""On a small disk it is one part in so many."""


class Reserve:
    """The room that is kept back beside one outbox."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._file = beside(path, ENDING)
        self.is_used = False
        """Whether the disk is so full that no event may be stored."""
        self.look()

    def look(self) -> None:
        """Give the room up where the disk is nearly full, or take it back; to be called every second or so."""
        try:
            disk = shutil.disk_usage(self._folder)
        except OSError:  # whoever reads or writes there says what is wrong
            return
        size = min(RESERVE, disk.total // PART)
        if self._file.exists():
            if disk.free < size // 4:
                self._give_up()
        elif disk.free >= size * 2:
            self._take(size)
        elif disk.free < size // 4:
            self._say(is_used=True)

    def close(self) -> None:
        """Give the room back: who does not run delivers nothing."""
        with suppress(OSError):
            self._file.unlink()

    def _give_up(self) -> None:
        with suppress(OSError):
            self._file.unlink()
        self._say(is_used=True)

    def _take(self, size: int) -> None:
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:  # somebody else was faster, or the file system can't: it is tried again
            with suppress(OSError):
                self._file.unlink()
            return
        self._say(is_used=False)

    def _say(self, *, is_used: bool) -> None:
        if is_used is not self.is_used:
            self.is_used = is_used
            if is_used:
                log.error("disk_full", advice="free some space; no event is stored until then, each is in the log")
            else:
                log.info("disk_has_room")
