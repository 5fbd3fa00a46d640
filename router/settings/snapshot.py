"""Everything that a configuration is made of, as it was at one moment: the file, and whatever it names.

Rules:
(1) A file and a variable of the environment are asked for once, within limits, and remembered: one reading of a
    configuration sees one content of each, however often it is validated.
(2) What was asked for is what the configuration needs: nobody keeps a list. A `Snapshot` has this and no more, and a
    reading of it touches no file. It can be sent to another process, where the same comes of it.
(3) A file that was looked for and is not there is remembered, too, so that whoever watches notices when it comes.
(4) What stands in a snapshot may be a secret: it is shown to nobody.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from router.errors import ConfigurationError

Read = Callable[[Path, int], bytes]
"""The whole of a file that has at most so many bytes; raises OSError, or ValueError where it has more."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration with all that it names."""

    name: str
    """What its file is called in messages."""
    path: str
    """The file, absolute; links stay links. Other paths are relative to its folder."""
    files: Mapping[str, bytes] = field(repr=False)
    """By absolute path."""
    environment: Mapping[str, str] = field(repr=False)
    """The variables that are named, and no others."""

    def read(self, path: Path, limit: int) -> bytes:
        """The content of a file as it was; raises OSError where it is not in the snapshot, ValueError beyond limit."""
        content = self.files.get(str(path))
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return _within(content, limit)

    def encoded(self) -> bytes:
        """The snapshot as bytes, secrets and all: for a pipe between processes of one owner, never for a disk."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decoded(cls, content: bytes) -> Self:
        """The snapshot that these bytes are; raises ConfigurationError where they are none."""
        try:
            return msgspec.msgpack.decode(content, type=cls)
        except msgspec.MsgspecError as error:
            raise ConfigurationError("this is not a snapshot of a configuration") from error


class Reading(Mapping[str, str]):
    """One reading of a configuration: asks for each file and variable once, and remembers.

    As a mapping, it is the environment.
    """

    def __init__(self, path: Path, environment: Mapping[str, str], read: Read | None = None) -> None:
        """Read from the disk, unless `read` is another source."""
        self.name = str(path)
        self.path = _absolute(path)
        self.is_offline = False
        """Whether nothing but the configuration itself, and what comes with the program, is looked at."""
        self._read = read or read_file
        self._environment = environment
        self._contents: dict[Path, bytes | OSError | ValueError] = {}
        self._variables: dict[str, str] = {}

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """A reading that touches no file."""
        reading = cls(Path(snapshot.path), snapshot.environment, snapshot.read)
        reading.name = snapshot.name
        return reading

    @classmethod
    def offline(cls, path: Path, ours: Path) -> Self:
        """A reading of the file alone, and of the folder that comes with the program: everything else is not there."""

        def read(wanted: Path, limit: int) -> bytes:
            if wanted != _absolute(path) and not wanted.is_relative_to(_absolute(ours)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return read_file(wanted, limit)

        reading = cls(path, {}, read)
        reading.is_offline = True
        return reading

    @property
    def folder(self) -> Path:
        """What other paths are relative to."""
        return self.path.parent

    @property
    def watched(self) -> Mapping[Path, bytes | None]:
        """The absolute path of every file that was asked for, and its SHA-256; None where it could not be read."""
        return {
            path: hashlib.sha256(found).digest() if isinstance(found, bytes) else None
            for path, found in self._contents.items()
        }

    def read(self, path: Path, limit: int) -> bytes:
        """The whole file.

        Raises:
            OSError: It can't be opened or read.
            ValueError: It is no regular file, or has more than `limit` bytes.
        """
        absolute = _absolute(path)
        if absolute not in self._contents:
            try:
                self._contents[absolute] = self._read(absolute, limit)
            except (OSError, ValueError) as error:
                self._contents[absolute] = error
        content = self._contents[absolute]
        if not isinstance(content, bytes):
            raise content
        return _within(content, limit)

    def snapshot(self) -> Snapshot:
        """All that was read until now."""
        files = {str(path): content for path, content in self._contents.items() if isinstance(content, bytes)}
        return Snapshot(self.name, str(self.path), files, dict(self._variables))

    def __getitem__(self, name: str) -> str:
        if name not in self._variables:
            self._variables[name] = self._environment[name]
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


def read_file(path: Path, limit: int) -> bytes:
    """The whole file.

    Raises:
        OSError: It can't be opened or read.
        ValueError: It is no regular file, or has more than `limit` bytes.
    """
    # O_NONBLOCK: a pipe that nobody writes to must not hold the program, not even while it is opened.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise ValueError("it is not a regular file")
        return _within(file.read(limit + 1), limit)


def _within(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return content


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links that are watched
