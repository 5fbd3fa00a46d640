"""The files that a configuration names: read once, within limits, and remembered for whoever watches them."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Files:
    """Reads files and remembers which, so that one reading of a configuration sees one content of each."""

    contents: dict[Path, bytes | OSError | ValueError] = field(default_factory=dict)

    @property
    def paths(self) -> frozenset[Path]:
        """Every file that was asked for, readable or not, as absolute paths; links stay links."""
        return frozenset(self.contents)

    def read(self, path: Path, limit: int) -> bytes:
        """The whole file.

        Raises:
            OSError: It can't be opened or read.
            ValueError: It is no regular file, or has more than `limit` bytes.
        """
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links that are watched
        if absolute not in self.contents:
            try:
                self.contents[absolute] = _content(absolute, limit)
            except (OSError, ValueError) as error:
                self.contents[absolute] = error
        content = self.contents[absolute]
        if not isinstance(content, bytes):
            raise content
        if len(content) > limit:
            raise ValueError(f"it has more than {limit} bytes")
        return content


def _content(path: Path, limit: int) -> bytes:
    # O_NONBLOCK: a pipe that nobody writes to must not hold the program, not even while it is opened.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise ValueError("it is no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return content
