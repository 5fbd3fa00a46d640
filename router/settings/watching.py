"""Notices that the configuration, or a file that it names, has another content.

Rules:
(1) What counts is content. A touched file, and a link that leads to the same bytes, are no change; a link that leads
    elsewhere is followed, so that the swap of `..data` by which Kubernetes replaces a ConfigMap is one change.
(2) A look is cheap: a file is read again only where its target, size, times or inode differ.
(3) A change counts when it has come to rest: two looks in a row that see the same. Editors write in steps, and half
    of a policy may be a valid one.
(4) A refused configuration is tried again when a file changes that it named, mended ones and new ones alike.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from router.settings.reading import LARGEST
from router.settings.snapshot import read_file

LOOK_EVERY = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a file, or read of it by others; without a digest, there is none that can be read."""

    identity: tuple[str, int, int, int, int] | None
    """Target of all links, inode, size, time of the content and time of the inode; None where it was not looked at."""
    digest: bytes | None


class FileWatch:
    """Files whose content is compared with what was last seen of it."""

    def __init__(self, files: Mapping[Path, bytes | None]) -> None:
        """Compare with what was read of them, the SHA-256 of each; None: a file that could not be read."""
        self._seen = {path: _Seen(None, digest) for path, digest in files.items()}

    def changed(self) -> bool:
        """Whether any file has another content than at the last look, or has come or gone."""
        changed = False
        for path, before in self._seen.items():
            now = _seen(path, before)
            changed |= now.digest != before.digest
            self._seen[path] = now
        return changed

    def follow(self, files: Mapping[Path, bytes | None]) -> None:
        """Watch these files from now on.

        What was last seen of those that stay still counts; new ones are compared with what was read of them. A change
        while they were being read is not missed.
        """
        self._seen = {path: self._seen.get(path) or _Seen(None, digest) for path, digest in files.items()}


def _seen(path: Path, before: _Seen | None) -> _Seen:
    try:
        target = path.resolve(strict=True)
        status = target.stat()
        identity = (str(target), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if before is not None and before.identity == identity:
            return before
        return _Seen(identity, hashlib.sha256(read_file(target, LARGEST)).digest())
    except (
        OSError,
        RuntimeError,
        ValueError,
    ):  # RuntimeError: links that lead in a circle; ValueError: no regular file, too large
        return _Seen(None, None)


async def watch(
    files: Mapping[Path, bytes | None],
    reload: Callable[[], Awaitable[Mapping[Path, bytes | None]]],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    every: float = LOOK_EVERY,
) -> None:
    """Call `reload` after each change that has come to rest; it returns the files to watch from then on. Never ends.

    Args:
        files: The files to watch at first, and the SHA-256 of what was read of each.
        reload: Reads the configuration again; must not raise, whatever it finds.
        sleep: Waits so many seconds.
        every: Seconds between two looks.
    """
    looked = FileWatch(files)
    while True:
        await sleep(every)
        if not await asyncio.to_thread(looked.changed):
            continue
        while True:
            await sleep(every / 2)
            if not await asyncio.to_thread(looked.changed):
                break
        looked.follow(await reload())
