"""Cross-check: no destination writes to a file that Gatecrier itself reads or keeps.

Compared are the names that links lead to, and, of files that are there, what tells them apart on their disk, so that
neither a symbolic nor a hard link hides one. What was read with the configuration is what it needs (`snapshot`).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from router.outbox.settings import SCHEME
from router.settings.plain import Item, maps
from router.settings.problems import Finding, inside
from router.settings.snapshot import Reading
from router.text import shown

BESIDE_THE_OUTBOX = ("", "-wal", "-shm", "-journal", ".lock", "-reserve")
"""Endings of the files that an outbox consists of (SQLite, "Temporary Files Used By SQLite")."""


def overwritten(data: Item, reading: Reading) -> Iterator[Finding]:
    """Destinations that would write into one of our own files."""
    ours: dict[object, str] = {}
    for path, what in _own(data, reading):
        for mark in _marks(path):
            ours.setdefault(mark, what)
    folder = inside(data.get("templates"), "directory")
    templates = _real(reading.folder / folder) if _is_path(folder) else None
    for index, destination in maps(data.get("destinations")):
        name = destination.get("path")
        if destination.get("kind") != "file" or not _is_path(name):
            continue
        path = reading.folder / name
        found = next((ours[mark] for mark in _marks(path) if mark in ours), None)
        if found is None and templates is not None and _real(path).parent == templates:
            found = "in the folder of templates"
        if found is not None:
            text = f"{shown(name)} is {found}, which would be overwritten; name a file that nothing else uses"
            yield Finding(("destinations", index, "path"), text)


def _own(data: Item, reading: Reading) -> Iterator[tuple[Path | int, str]]:
    yield reading.path, "the configuration itself"
    url = inside(data.get("outbox"), "url")
    if isinstance(url, str) and url.startswith(SCHEME) and _is_path(url.removeprefix(SCHEME)):
        outbox = reading.folder / url.removeprefix(SCHEME)
        for ending in BESIDE_THE_OUTBOX:
            yield outbox.with_name(outbox.name + ending), "the outbox" if not ending else "a part of the outbox"
    for path in reading.watched:
        yield path, "a file that the configuration names"
    with suppress(OSError, ValueError, AttributeError):  # there may be no standard error
        log = sys.stderr.fileno()
        if stat.S_ISREG(os.fstat(log).st_mode):
            yield log, "the log"


def _marks(file: Path | int) -> Iterator[object]:
    """What tells a file, by its path or its descriptor, from all others: its name, and its place on a disk."""
    if isinstance(file, Path):
        yield _real(file)
    with suppress(OSError, ValueError):  # it is not there
        found = os.stat(file)  # noqa: PTH116 - of a descriptor, too
        yield found.st_dev, found.st_ino


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_path(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value) and "\0" not in value
