"""Notices that an outbox's file is not what it was, and moves it aside. Nothing is ever deleted here.

What counts as damage, beside what SQLite calls so:
(1) Of the file, its log (`-wal`) and its index (`-shm`), one has gone or is another file than the one that was opened:
    whoever opened the path now would see another outbox than we do.
(2) The file is so small that pages of it are neither in it nor in its log.
(3) The log holds bytes but does not begin as a log, or says of frames that they are committed and SQLite can't read
    them: it leaves them out in silence (SQLite, "WAL-mode File Format", clauses 4.1 and 4.3).
(4) The log is there and its file is not: SQLite would delete it, and with it what was stored last.

Paths are those that no link hides (`real`): SQLite keeps log and index beside the file that a link leads to. A link
that takes the place of the file later is another file (1).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from router.errors import OutboxError
from router.telemetry.logs import logger

log = logger()

ENDINGS = ("", "-wal", "-shm")
ASIDE = ".damaged-"
"""What stands between the name of a file and the time when it was moved aside."""
_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_SHORT_READ})
_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = (0x377F0682, 0x377F0683)
"""Of a log whose checksums are of little-endian words, and of big-endian ones."""


class DamagedError(OutboxError):
    """The file of the outbox is not what it must be; it can be moved aside."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is wrong, not that it can't be reached."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _CODES or code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DiskFile(NamedTuple):
    """Which file on which disk."""

    device: int
    node: int


class Watched:
    """The files of an open outbox, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        self._files = [beside(path, ending) for ending in ENDINGS]
        self._places: dict[Path, DiskFile] = {}
        self.look()

    def look(self) -> str:
        """What is wrong with them that was not so before; empty where nothing is."""
        for file in self._files:
            before = self._places.get(file)
            try:
                found = file.lstat()
            except FileNotFoundError:
                if before is not None:
                    return f"{file.name} has gone"
                continue
            except OSError as error:
                return f"{file.name} can't be looked at: {error.strerror}"
            place = DiskFile(found.st_dev, found.st_ino)
            if self._places.setdefault(file, place) != place:
                return f"{file.name} was replaced"
        return ""

    def missing(self, needed: int) -> int:
        """How many of so many bytes that the outbox consists of are nowhere to be found."""
        file, log = (_size(one) for one in self._files[:2])
        return max(0, needed - file - log)


def real(path: Path) -> Path:
    """Where the file is that links lead to, or will be when it is made."""
    return Path(os.path.realpath(path))


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with this ending."""
    return path.with_name(f"{path.name}{ending}")


def unreadable_log(path: Path) -> str:
    """What is wrong with a log before it is opened; empty where nothing is, or where there is none."""
    log = beside(path, "-wal")
    head = _head(log, _HEADER.size)
    if not head or (len(head) < _HEADER.size and _size(log) < _HEADER.size):
        return ""  # as a power cut leaves one that was just made
    if not _size(path):
        return f"{path.name} has gone, but its log {log.name} is there"
    numbers = _HEADER.unpack(head)
    if numbers[0] not in _MAGIC or (numbers[6], numbers[7]) != _checksum(head[:24], numbers[0] == _MAGIC[1]):
        return f"{log.name} is no log"
    return ""


def lost_frames(path: Path, valid: int) -> int:
    """How many frames of the log SQLite has left out, although it says of them that they were committed.

    Only the log is opened: locks of this process on the others end when any descriptor of them is closed (POSIX,
    `fcntl`).

    Args:
        path: An outbox that was just opened; nothing has been written yet.
        valid: How many frames SQLite knows of.
    """
    head = _head(beside(path, "-wal"), _HEADER.size)
    if len(head) < _HEADER.size:
        return 0
    _, _, page, _, *salts, _, _ = _HEADER.unpack(head)
    committed = number = 0
    with beside(path, "-wal").open("rb") as log:
        log.seek(_HEADER.size)
        while len(frame := log.read(_FRAME.size)) == _FRAME.size:
            _, size, *found, _, _ = _FRAME.unpack(frame)
            if found != salts:
                break
            number += 1
            committed = number if size else committed
            log.seek(page, os.SEEK_CUR)
    return max(0, committed - valid)


def move_log_aside(path: Path, now: Callable[[], float] = time.time) -> Path:
    """Give the log alone another name; returns that. Raises OutboxError."""
    log, aside = beside(path, "-wal"), beside(_free_name(path, now()), "-wal")
    with _told(path):
        log.rename(aside)
    return aside


def move_aside(path: Path, now: Callable[[], float] = time.time) -> Path | None:
    """Give what is there of an outbox another name; returns that of its file, or None where nothing was there.

    Raises:
        OutboxError: It can't be renamed.
    """
    aside = _free_name(path, now())
    with _told(path):
        moved = [_renamed(beside(path, ending), beside(aside, ending)) for ending in ENDINGS]
    return aside if any(moved) else None


def copy_log_aside(path: Path, now: Callable[[], float] = time.time) -> Path | None:
    """Keep the log as it is under another name; returns that, or None where it can't be kept."""
    aside = beside(_free_name(path, now()), "-wal")
    try:
        shutil.copyfile(beside(path, "-wal"), aside)
    except OSError:
        return None
    return aside


def left_aside(path: Path) -> list[Path]:
    """What was moved aside and is still there."""
    return sorted(path.parent.glob(f"{_escaped(path.name)}{ASIDE}*"))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(
            f"the outbox {path} is damaged and can't be moved aside: {error.strerror}; make its folder writable"
        ) from error


def _free_name(path: Path, now: float) -> Path:
    name = beside(path, f"{ASIDE}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}")
    number, free = 1, name
    while any(beside(free, ending).exists() for ending in ENDINGS):
        number += 1
        free = beside(name, f"-{number}")
    return free


def _renamed(file: Path, aside: Path) -> bool:
    try:
        file.rename(aside)
    except FileNotFoundError:
        return False
    return True


def _escaped(name: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _head(file: Path, count: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(count)
    except OSError:
        return b""


def _checksum(content: bytes, is_big: bool) -> tuple[int, int]:  # noqa: FBT001 - a property of the content
    first = second = 0
    words = struct.unpack(f"{'>' if is_big else '<'}{len(content) // 4}I", content)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def as_outbox_error(error: Exception) -> OutboxError:
    """What whoever waits for something to be written is told; a mistake of ours stands in the log besides."""
    if isinstance(error, OutboxError):
        return error
    if not isinstance(error, sqlite3.Error):
        log.error("not_written", exc_info=error)
    text = str(error)
    if "full" in text:
        text = f"{text}: free some space, or name a file on a larger disk in outbox.url"
    kind = DamagedError if isinstance(error, sqlite3.Error) and is_damage(error) else OutboxError
    wrapped = kind(f"the outbox can't be written: {text or type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped
